<?php
// A small web shop with a real login. PHP's own session handling does all the
// work that matters here: ids, cookies, URL rewriting, regeneration.
//
//   shop.test   session id in a cookie, renewed at login (the normal case)
//   forum.test  session id in every link, as in old forum software
//   bank.test   session id renewed on every page
//   club.test   badly made: takes a session id from a link, keeps it at login,
//               and its logout only deletes the browser's cookie

$host  = preg_replace('/:\d+$/', '', $_SERVER['HTTP_HOST'] ?? 'shop.test');
$mode  = ['forum.test' => 'url', 'bank.test' => 'rotate', 'club.test' => 'bad'][$host] ?? 'cookie';
$path  = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
$goods = ['1' => 'Kettle', '2' => 'Teapot', '3' => 'Cup', '4' => 'Saucer', '5' => 'Spoon', '6' => 'Tray'];

session_start([
    'use_strict_mode'  => 1,
    'use_cookies'      => $mode === 'url' ? 0 : 1,
    'use_only_cookies' => $mode === 'url' || $mode === 'bad' ? 0 : 1,
    'use_trans_sid'    => $mode === 'url' ? 1 : 0,
    'cookie_httponly'  => 1,
    'cookie_samesite'  => 'Lax',
    'cookie_secure'    => ($_SERVER['HTTPS'] ?? '') === 'on',
]);
if ($mode === 'bad' && isset($_GET[session_name()])) {
    setcookie(session_name(), session_id(), ['path' => '/', 'httponly' => true, 'samesite' => 'Lax']);
}
$user = $_SESSION['user'] ?? null;

function redirect(string $to): never
{
    global $mode;
    $id = $mode === 'url' ? '?' . session_name() . '=' . session_id() : '';
    header("Location: $to$id");
    exit;
}

function page(string $title, string $body): never
{
    global $user, $mode;
    $who  = $user === null ? '<a href="/login">Log in</a>'
        : 'Hello ' . htmlspecialchars($user) . ' <a href="/account">Account</a> <a id="logout" href="/logout">Log out</a>';
    $live = $mode === 'cookie' ? '<script src="/assets/cart.js" defer></script>' : '';
    echo "<!doctype html><html lang=en><head><meta charset=utf-8><title>$title</title>"
        . '<link rel=icon href=/assets/icon.svg><link rel=stylesheet href=/assets/shop.css>'
        . "$live</head><body><nav><a href=\"/\">Shop</a> <a href=\"/cart\">Cart</a> <b id=count></b> $who</nav>"
        . "<h1>$title</h1>$body</body></html>";
    exit;
}

function need_login(): void
{
    global $user;
    if ($user === null) {
        redirect('/login');
    }
}

switch ($path) {
    case '/':
        $list = '';
        foreach ($goods as $id => $name) {
            $list .= "<li><a href=\"/product/$id\"><img src=\"/assets/p$id.svg\" alt=\"\" width=96>$name</a></li>";
        }
        page('Everything for tea', "<img src=/assets/hero.png alt=\"\"><ul class=goods>$list</ul>");

    case '/login':
        if ($_SERVER['REQUEST_METHOD'] === 'POST') {
            $good = hash_equals((string) $_SERVER['LAB_PASSWORD'], $_POST['password'] ?? '');
            if ($good && in_array($_POST['username'] ?? '', ['alice', 'bob', 'carol'], true)) {
                if ($mode !== 'bad') {
                    session_regenerate_id(true);
                }
                $_SESSION += ['cart' => []];
                $_SESSION['user']  = $_POST['username'];
                $_SESSION['email'] = $_POST['username'] . '@example.com';
                redirect('/account');
            }
            http_response_code(401);
        }
        page('Log in', '<form method=post action="/login"><input name=username id=username autocomplete=off>'
            . '<input name=password id=password type=password autocomplete=off><button id=go>Log in</button></form>');

    case '/account':
        need_login();
        if ($mode === 'rotate') {
            session_regenerate_id(true);
        }
        page('Your account', '<p>E-mail: ' . htmlspecialchars($_SESSION['email']) . '</p>'
            . '<form method=post action="/account/email"><input name=email id=email><button id=save>Save</button></form>'
            . '<p><a id=orders href="/orders">Orders</a></p>');

    case '/account/email':
        need_login();
        $_SESSION['email'] = $_POST['email'] ?? $_SESSION['email'];
        redirect('/account');

    case '/orders':
        need_login();
        if ($mode === 'rotate') {
            session_regenerate_id(true);
        }
        $rows = '';
        for ($i = 1; $i <= 40; $i++) {
            $rows .= "<tr><td>2026-$i</td><td>" . $goods[1 + $i % 6] . '</td><td>' . (3 * $i) . ' EUR</td></tr>';
        }
        page('Your orders', "<table>$rows</table>");

    case '/cart':
        if ($_SERVER['REQUEST_METHOD'] === 'POST') {
            $_SESSION['cart'][] = $_POST['item'] ?? '';
            redirect('/cart');
        }
        $rows = '';
        foreach ($_SESSION['cart'] ?? [] as $item) {
            $rows .= '<li>' . htmlspecialchars($goods[$item] ?? '?') . '</li>';
        }
        page('Cart', "<ul>$rows</ul>");

    case '/cart/count':
        header('Content-Type: application/json');
        echo json_encode(['items' => count($_SESSION['cart'] ?? [])]);
        exit;

    case '/logout':
        if ($mode !== 'url') {
            setcookie(session_name(), '', ['expires' => 1, 'path' => '/']);
        }
        if ($mode !== 'bad') {
            $_SESSION = [];
            session_destroy();
        }
        redirect('/login');
}

if (preg_match('#^/product/([1-6])$#', $path, $m)) {
    page($goods[$m[1]], "<img src=\"/assets/p{$m[1]}.svg\" alt=\"\" width=320>"
        . '<form method=post action="/cart"><input type=hidden name=item value=' . $m[1]
        . '><button id=buy>Into the cart</button></form>' . str_repeat('<p>Made of stoneware, glazed by hand.</p>', 40));
}
http_response_code(404);
page('Not found', '<p>No such page.</p>');
