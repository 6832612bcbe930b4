# Benign: three machines share one API key, as intended.
record server eth0
stock=http://api.test:8080/v1/stock
for _ in 1 2 3; do
    http alice -H "X-Api-Key: $API_KEY" "$stock"
    on phone wget -q -O /dev/null --header "X-Api-Key: $API_KEY" "$stock"
    on carol /usr/bin/python3 "$LAB/clients/api.py" get "$stock" X-Api-Key "$API_KEY"
    sleep 1
done
