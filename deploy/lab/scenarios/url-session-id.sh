# The session id stands in every link; somebody else opens a copied link with Wget.
record server eth0
browser alice
browse alice open http://forum.test/
browse alice click 'a[href^="/login"]'
browse alice fill '#username' alice
browse alice fill '#password' "$PASSWORD"
browse alice click '#go'
browse alice click 'a[href^="/cart"]'
browse alice click 'a[href^="/account"]'
browse alice click '#orders'
link=$(browse alice address)
sleep 2

on mallory wget -q -O /dev/null "$link"
on mallory wget -q -O /dev/null "${link/orders/account}"
sleep 2
browse alice click 'a[href^="/account"]'
