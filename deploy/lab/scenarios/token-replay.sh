# A stolen session cookie is replayed with curl from another network.
record server eth0
browser alice
browse alice open http://shop.test/
login alice alice
browse alice click '#orders'

stolen=$(browse alice cookie PHPSESSID http://shop.test/)
sleep 2
http mallory -b "PHPSESSID=$stolen" http://shop.test/account
sleep 2
browse alice open http://shop.test/cart
sleep 2
http mallory -b "PHPSESSID=$stolen" -d email=mallory@evil.test http://shop.test/account/email
sleep 2
browse alice open http://shop.test/account
