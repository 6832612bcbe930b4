# Benign: the server renews the session id on every page.
record server eth0
browser alice
login alice alice http://bank.test
for _ in 1 2 3 4; do
    browse alice click '#orders'
    sleep 1
    browse alice open http://bank.test/account
    sleep 1
done
