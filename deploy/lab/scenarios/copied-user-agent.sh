# As token-replay, but the thief sends exactly the victim's user agent.
record server eth0
browser alice
login alice alice
browse alice click '#orders'

stolen=$(browse alice cookie PHPSESSID http://shop.test/)
agent=$(browse alice agent)
sleep 2
http mallory -A "$agent" -b "PHPSESSID=$stolen" http://shop.test/account
sleep 2
browse alice open http://shop.test/cart
sleep 2
http mallory -A "$agent" -b "PHPSESSID=$stolen" http://shop.test/orders
sleep 2
browse alice open http://shop.test/account
