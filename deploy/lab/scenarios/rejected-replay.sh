# The thief comes too late: after the logout the server sends him to the login page.
record server eth0
browser alice
login alice alice
browse alice click '#orders'
stolen=$(browse alice cookie PHPSESSID http://shop.test/)
browse alice click '#logout'
sleep 8

for page in account orders account; do
    http mallory -b "PHPSESSID=$stolen" "http://shop.test/$page"
    sleep 1
done
