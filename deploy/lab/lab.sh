# shellcheck shell=bash
# The lab's building blocks: network, servers, clients, recorder.
# Sourced by record.sh; a scenario only uses the functions below.
#
#                       198.51.100.0/24  2001:db8:51::/64   (office)
#        alice .7 ----+
#        guest .66 ---+-- br-office
#        phone .23 ---+       |                        10.0.1.0/24
#                             |                        2001:db8:1::/64
#        mallory .9 --+       gw -- br-server --------- server .20
#        phone .77 ---+-- br-cafe
#                       203.0.113.0/24  2001:db8:113::/64  (somewhere else)
#                             |
#        carol .11 ---+       |
#        dave .12 ----+-- home (NAT) .44 -- br-isp
#            192.168.7.0/24       192.0.2.0/24
#
# Every host is a network namespace. None of them is connected to the machine's
# own network, so nothing can leave.

LAB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PREFIX=tt
HOSTS=(gw server alice guest phone mallory home carol dave)
SITES=(shop.test forum.test bank.test club.test api.test tickets.test)
PACKAGES=(chromium curl ethtool firefox-esr dsniff gunicorn iproute2 nftables nginx openssl
          php-fpm procps python3 python3-flask tcpdump tshark wget xvfb xauth)
WORK=
PIDS=()
TCPDUMP=

say() { printf '%s\n' "$*" >&2; }
die() { say "lab: $*"; exit 1; }

# --- packages ---------------------------------------------------------------

install_packages() {
    local missing=() package
    for package in "${PACKAGES[@]}"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    say "installing: ${missing[*]}"
    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
}

# --- network ----------------------------------------------------------------

on() { ip netns exec "$PREFIX-$1" "${@:2}"; }
ip_on() { ip -n "$PREFIX-$1" "${@:2}"; }

# quiet_offload HOST DEVICE: packets look on the interface as they would on a wire
quiet_offload() {
    on "$1" ethtool -K "$2" rx off tx off sg off tso off gso off gro off >/dev/null 2>&1 || true
}

# bridge HOST NAME MAC [ADDRESS...]
bridge() {
    ip_on "$1" link add "$2" address "$3" type bridge forward_delay 0 mcast_snooping 0
    ip_on "$1" link set "$2" up
    quiet_offload "$1" "$2"
    address "$1" "$2" "${@:4}"
}

# address HOST DEVICE ADDRESS...
address() {
    local item
    for item in "${@:3}"; do
        case $item in
            *:*) ip_on "$1" addr add "$item" dev "$2" nodad ;;
            *)   ip_on "$1" addr add "$item" dev "$2" ;;
        esac
    done
}

# plug HOST DEVICE MAC SWITCH_HOST BRIDGE [ADDRESS...]: a cable from a host to a bridge
plug() {
    local port=p-$1-$2
    port=${port:0:15}
    ip_on "$4" link add "$port" type veth peer name "$2" netns "$PREFIX-$1" address "$3"
    ip_on "$4" link set "$port" master "$5" up
    ip_on "$1" link set "$2" up
    quiet_offload "$4" "$port"
    quiet_offload "$1" "$2"
    address "$1" "$2" "${@:6}"
}

# default_route HOST VIA...
default_route() {
    local via
    for via in "${@:2}"; do
        case $via in
            *:*) ip_on "$1" -6 route replace default via "$via" ;;
            *)   ip_on "$1" route replace default via "$via" ;;
        esac
    done
}

# resolve 4|6|46 [HOST...]: which addresses the sites' names have
resolve() {
    local host site hosts=("${@:2}")
    ((${#hosts[@]})) || hosts=("${HOSTS[@]}")
    for host in "${hosts[@]}"; do
        {
            echo '127.0.0.1 localhost'
            for site in "${SITES[@]}"; do
                [[ $1 != *4* ]] || echo "10.0.1.20 $site"
                [[ $1 != *6* ]] || echo "2001:db8:1::20 $site"
            done
        } >"/etc/netns/$PREFIX-$host/hosts"
    done
}

network_up() {
    local host
    network_down
    for host in "${HOSTS[@]}"; do
        mkdir -p "/etc/netns/$PREFIX-$host"
        echo 'nameserver 127.0.0.1' >"/etc/netns/$PREFIX-$host/resolv.conf"
        : >"/etc/netns/$PREFIX-$host/hosts"
        ip netns add "$PREFIX-$host"
        ip_on "$host" link set lo up
        on "$host" sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0 \
            net.ipv6.conf.default.accept_ra=0
    done
    on gw sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    on home sysctl -qw net.ipv4.ip_forward=1

    bridge gw br-server 02:00:00:00:01:01 10.0.1.1/24 2001:db8:1::1/64
    bridge gw br-office 02:00:00:00:51:01 198.51.100.1/24 2001:db8:51::1/64
    bridge gw br-cafe   02:00:00:00:13:01 203.0.113.1/24 2001:db8:113::1/64
    bridge gw br-isp    02:00:00:00:02:01 192.0.2.1/24
    bridge home br-home 02:00:00:00:07:01 192.168.7.1/24

    plug server  eth0  02:00:00:00:01:20 gw   br-server 10.0.1.20/24 2001:db8:1::20/64
    plug alice   eth0  02:00:00:00:51:07 gw   br-office 198.51.100.7/24 2001:db8:51::7/64
    plug guest   eth0  02:00:00:00:51:66 gw   br-office 198.51.100.66/24
    plug phone   wlan0 02:00:00:00:51:23 gw   br-office 198.51.100.23/24
    plug phone   wwan0 02:00:00:00:13:77 gw   br-cafe
    plug mallory eth0  02:00:00:00:13:09 gw   br-cafe   203.0.113.9/24 2001:db8:113::9/64
    plug home    wan0  02:00:00:00:02:44 gw   br-isp    192.0.2.44/24
    plug carol   eth0  02:00:00:00:07:11 home br-home   192.168.7.11/24
    plug dave    eth0  02:00:00:00:07:12 home br-home   192.168.7.12/24

    default_route server 10.0.1.1 2001:db8:1::1
    default_route alice 198.51.100.1 2001:db8:51::1
    default_route guest 198.51.100.1
    default_route phone 198.51.100.1
    default_route mallory 203.0.113.1 2001:db8:113::1
    default_route home 192.0.2.1
    default_route carol 192.168.7.1
    default_route dave 192.168.7.1
    on home nft -f - <<'NFT'
table ip nat {
    chain out { type nat hook postrouting priority 100; oifname "wan0" masquerade; }
}
NFT
    resolve 4
}

network_down() {
    local host
    for host in "${HOSTS[@]}"; do
        ip netns del "$PREFIX-$host" 2>/dev/null || true
        rm -rf "/etc/netns/$PREFIX-$host"
    done
    rmdir /etc/netns 2>/dev/null || true
}

# forget_neighbours: the next packets show ARP and neighbour discovery again
forget_neighbours() {
    local host
    for host in "${HOSTS[@]}"; do
        ip_on "$host" neigh flush all
    done
}

# --- processes --------------------------------------------------------------

# start COMMAND..., start_on HOST COMMAND...: in the background, ended by cleanup; the id is in $!
start() {
    "$@" </dev/null >>"$WORK/log" 2>&1 9>&- &
    PIDS+=($!)
}
start_on() { start ip netns exec "$PREFIX-$1" "${@:2}"; }

# stop PID
stop() {
    local pid rest=()
    kill "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
    for pid in "${PIDS[@]}"; do
        [[ $pid == "$1" ]] || rest+=("$pid")
    done
    PIDS=("${rest[@]}")
}

# until_true SECONDS COMMAND...
until_true() {
    local tries=$(($1 * 10))
    until "${@:2}" >/dev/null 2>&1; do
        ((tries-- > 0)) || die "gave up waiting for: ${*:2} (see $WORK/log)"
        sleep 0.1
    done
}

random() { head -c "$1" /dev/urandom | base64 | tr -d '/+=\n'; }

fill_in() { sed -e "s|@WORK@|$WORK|g" -e "s|@PASSWORD@|$PASSWORD|g" "$1"; }

servers_up() {
    local php
    php=$(compgen -c php-fpm | sort -V | tail -n 1)
    PASSWORD=$(random 24)
    API_KEY=$(random 30)
    mkdir -p "$WORK/sessions"
    chown www-data "$WORK/sessions"
    cp -r "$LAB/shop/www" "$WORK/www"
    cp -r "$LAB/api" "$WORK/api"
    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=shop.test -addext subjectAltName=DNS:shop.test \
        -keyout "$WORK/server.key" -out "$WORK/server.crt" 2>>"$WORK/log"
    fill_in "$LAB/shop/nginx.conf.in" >"$WORK/nginx.conf"
    fill_in "$LAB/shop/php-fpm.conf.in" >"$WORK/php-fpm.conf"
    start_on server "$php" -y "$WORK/php-fpm.conf"
    start_on server nginx -e "$WORK/nginx.log" -c "$WORK/nginx.conf" -g 'daemon off;'
    start_on server env LAB_PASSWORD="$PASSWORD" LAB_API_KEY="$API_KEY" PYTHONDONTWRITEBYTECODE=1 \
        gunicorn --chdir "$WORK/api" --user www-data --group www-data --worker-tmp-dir /tmp --threads 4 \
        --bind 0.0.0.0:8080 app:app
    until_true 15 on server curl -sf -o /dev/null http://127.0.0.1/
    until_true 15 on server curl -sf -o /dev/null http://127.0.0.1:8080/login
}

display_up() {
    local number=90
    while [[ -e /tmp/.X11-unix/X$number || -e /tmp/.X$number-lock ]]; do
        ((++number))
    done
    start Xvfb ":$number" -nolisten tcp -screen 0 1280x800x24
    until_true 10 test -S "/tmp/.X11-unix/X$number"
    export DISPLAY=:$number
}

# --- recorder ---------------------------------------------------------------

# record HOST DEVICE: where the sensor sits; writes $OUT/$SCENARIO.pcap
record() {
    forget_neighbours
    rm -f "$OUT/$SCENARIO.pcap"
    start_on "$1" tcpdump -i "$2" -s 0 -U -Z root -w "$OUT/$SCENARIO.pcap"
    TCPDUMP=$!
    until_true 10 test -s "$OUT/$SCENARIO.pcap"
}

record_end() {
    [[ -n $TCPDUMP ]] || return 0
    sleep 1
    stop "$TCPDUMP"
    TCPDUMP=
}

# --- clients ----------------------------------------------------------------

# browser HOST [chromium|firefox]: opens a browser with a fresh profile
browser() {
    start_on "$1" /usr/bin/python3 "$LAB/browser.py" serve "$WORK/$1.browser" "${2:-chromium}" "$WORK/$SCENARIO-$1"
    BROWSERS+=($!)
    until_true 60 test -S "$WORK/$1.browser"
}

# browse HOST COMMAND...: see browser.py
browse() { /usr/bin/python3 "$LAB/browser.py" send "$WORK/$1.browser" "${@:2}"; }

# login HOST USER [SITE]: as a person would, by the form
login() {
    browse "$1" open "${3:-http://shop.test}/login"
    browse "$1" fill '#username' "$2"
    browse "$1" fill '#password' "$PASSWORD"
    browse "$1" click '#go'
}

# http HOST ARGUMENTS...: curl, with the reply's status on the screen
http() { on "$1" curl -sS -g --max-time 10 -o /dev/null -w '%{http_code} %{url}\n' "${@:2}" >&2; }

close_browsers() {
    local pid
    for pid in "${BROWSERS[@]}"; do
        stop "$pid"
    done
    BROWSERS=()
    rm -f "$WORK"/*.browser
}

# --- whole runs -------------------------------------------------------------

lab_up() {
    BROWSERS=()
    WORK=$(mktemp -d /tmp/tokentrail-lab.XXXXXX)
    chmod 755 "$WORK"
    trap lab_down EXIT
    trap 'exit 130' INT TERM
    network_up
    servers_up
    display_up
}

lab_down() {
    local pids=("${PIDS[@]}") i
    trap - EXIT INT TERM
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
        stop "${pids[i]}"
    done
    network_down
    if [[ -n ${KEEP:-} ]]; then
        say "kept: $WORK"
    else
        rm -rf "$WORK"
    fi
}

# run_scenario FILE: in a lab of its own, so that no scenario sees another one's traces
run_scenario() (
    SCENARIO=$(basename "$1" .sh)
    say "== $SCENARIO: $(sed -n '1s/^# //p' "$1")"
    lab_up
    # shellcheck disable=SC1090
    source "$1"
    record_end
    close_browsers
)
