# Benign: one long visit with kept connections, compressed chunked pages, images and scripts.
record server eth0
browser alice
browse alice open http://shop.test/
for product in 1 2 3; do
    browse alice open "http://shop.test/product/$product"
    browse alice click '#buy'
done
login alice alice
browse alice fill '#email' alice@new.example.com
browse alice click '#save'
browse alice click '#orders'
browse alice open http://shop.test/
browse alice click '#logout'
