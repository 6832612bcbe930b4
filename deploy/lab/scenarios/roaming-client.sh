# Benign: a phone leaves the office Wi-Fi and goes on over the mobile network.
record server eth0
browser phone
login phone bob
browse phone click '#orders'
sleep 2

ip_on phone addr flush dev wlan0
ip_on phone link set wlan0 down
address phone wwan0 203.0.113.77/24
default_route phone 203.0.113.1
sleep 3

browse phone open http://shop.test/account
browse phone click '#orders'
browse phone open http://shop.test/cart
