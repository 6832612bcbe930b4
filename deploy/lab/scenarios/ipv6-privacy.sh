# Benign: the computer's temporary IPv6 address expires and another one of the same /64 takes over.
resolve 6
ip_on alice addr del 2001:db8:51::7/64 dev eth0
address alice eth0 2001:db8:51:0:5c1e:91aa:30f4:7b02/64
record server eth0
browser alice
login alice alice
browse alice click '#orders'
sleep 2

address alice eth0 2001:db8:51:0:a8d3:4e77:c09b:162d/64
ip_on alice addr del 2001:db8:51:0:5c1e:91aa:30f4:7b02/64 dev eth0
sleep 3

browse alice open http://shop.test/account
browse alice click '#orders'
