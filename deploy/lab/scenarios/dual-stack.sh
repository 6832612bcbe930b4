# Benign: a computer with a flaky router changes between IPv6 and IPv4; seen on its own network.
resolve 46
record gw br-office
browser alice
login alice alice
for _ in 1 2; do
    browse alice click '#orders'
    ip_on alice addr del 2001:db8:51::7/64 dev eth0
    sleep 3
    browse alice open http://shop.test/cart
    address alice eth0 2001:db8:51::7/64
    default_route alice 2001:db8:51::1
    sleep 3
    browse alice open http://shop.test/account
done
