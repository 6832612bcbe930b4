# An API client's bearer token is used with curl from another network.
record server eth0
api=http://api.test:8080/v1
client=$LAB/clients/api.py
token=$(on alice /usr/bin/python3 "$client" login "$api/token" alice "$PASSWORD")
for path in me orders orders; do
    on alice /usr/bin/python3 "$client" get "$api/$path" Authorization "Bearer $token"
    sleep 1
done

http mallory -H "Authorization: Bearer $token" "$api/me"
sleep 1
http mallory -H "Authorization: Bearer $token" "$api/orders"
sleep 2
on alice /usr/bin/python3 "$client" get "$api/orders" Authorization "Bearer $token"
