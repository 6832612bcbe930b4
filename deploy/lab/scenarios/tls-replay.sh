# As token-replay, but over TLS and HTTP/2; the capture carries the keys to decrypt it.
export SSLKEYLOGFILE=$WORK/keys.log
record server eth0
browser alice
login alice alice https://shop.test
browse alice click '#orders'

stolen=$(browse alice cookie PHPSESSID https://shop.test/)
sleep 2
http mallory -k -b "PHPSESSID=$stolen" https://shop.test/account
sleep 2
browse alice open https://shop.test/cart
record_end
editcap --inject-secrets "tls,$WORK/keys.log" "$OUT/$SCENARIO.pcap" "$OUT/$SCENARIO.pcapng"
rm "$OUT/$SCENARIO.pcap"
