# Victim (Chromium) and thief (Firefox) sit behind the same NAT address.
record server eth0
browser carol
login carol carol
browse carol click '#orders'

stolen=$(browse carol cookie PHPSESSID http://shop.test/)
browser dave firefox
browse dave open http://shop.test/assets/icon.svg
browse dave plant PHPSESSID "$stolen"
browse dave open http://shop.test/account
sleep 1
browse dave open http://shop.test/orders
sleep 2
browse carol open http://shop.test/account
