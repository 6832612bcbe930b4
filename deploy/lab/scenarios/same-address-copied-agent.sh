# The thief behind the same NAT address copies the user agent, but runs another operating system.
# Two settings that Windows has and Linux has not make dave's packets look different.
on dave sysctl -qw net.ipv4.ip_default_ttl=128 net.ipv4.tcp_timestamps=0
record server eth0
browser carol
login carol carol
browse carol click '#orders'

stolen=$(browse carol cookie PHPSESSID http://shop.test/)
agent=$(browse carol agent)
sleep 2
http dave -A "$agent" -b "PHPSESSID=$stolen" http://shop.test/account
http dave -A "$agent" -b "PHPSESSID=$stolen" http://shop.test/orders
sleep 2
browse carol open http://shop.test/account
