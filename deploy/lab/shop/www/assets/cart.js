fetch('/cart/count').then(r => r.json()).then(c => {
  document.getElementById('count').textContent = c.items;
});
