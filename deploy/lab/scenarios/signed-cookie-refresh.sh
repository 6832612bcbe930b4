# Benign: Flask signs the whole session into the cookie and rewrites it on every reply.
record server eth0
browser alice
login alice alice http://tickets.test:8080
for _ in 1 2 3 4 5; do
    sleep 1.5
    browse alice click '#again'
done
