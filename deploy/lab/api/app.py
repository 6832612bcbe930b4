"""A small JSON service and a small site on Flask, served by gunicorn.

api.test      bearer tokens for people, X-Api-Key for machines
tickets.test  a login whose signed `session` cookie is rewritten on every reply
"""

import os
import secrets
import time

from flask import Flask, jsonify, redirect, request, session

PASSWORD = os.environ["LAB_PASSWORD"]
API_KEY = os.environ["LAB_API_KEY"]

app = Flask(__name__)
app.secret_key = secrets.token_bytes(32)
app.config.update(SESSION_COOKIE_SAMESITE="Lax", PERMANENT_SESSION_LIFETIME=12 * 3600)
tokens = {}


def refused():
    reply = jsonify(error="invalid_token")
    reply.status_code = 401
    reply.headers["WWW-Authenticate"] = 'Bearer realm="api.test"'
    return reply


def bearer():
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return tokens.get(value) if scheme == "Bearer" else None


@app.post("/v1/token")
def token():
    if not secrets.compare_digest(request.form.get("password", ""), PASSWORD):
        return jsonify(error="invalid_grant"), 400
    value = secrets.token_urlsafe(32)
    tokens[value] = request.form["username"]
    return jsonify(access_token=value, token_type="Bearer", expires_in=3600)


@app.get("/v1/me")
def me():
    user = bearer()
    return jsonify(user=user) if user else refused()


@app.get("/v1/orders")
def orders():
    user = bearer()
    if not user:
        return refused()
    return jsonify(user=user, orders=[{"number": 2026000 + n, "total": 3 * n} for n in range(1, 20)])


@app.get("/v1/stock")
def stock():
    if not secrets.compare_digest(request.headers.get("X-Api-Key", ""), API_KEY):
        return refused()
    return jsonify(stock={"kettle": 14, "teapot": 3, "cup": 120})


def page(title, body):
    return f"<!doctype html><html lang=en><title>{title}</title><h1>{title}</h1>{body}"


@app.route("/login", methods=["GET", "POST"])
def login():
    if request.method == "POST" and secrets.compare_digest(request.form.get("password", ""), PASSWORD):
        session.permanent = True
        session["user"] = request.form["username"]
        session["id"] = secrets.token_urlsafe(16)
        return redirect("/tickets")
    return page("Log in", '<form method=post><input id=username name=username><input id=password '
                          'type=password name=password><button id=go>Log in</button></form>')


@app.get("/tickets")
def tickets():
    if "user" not in session:
        return redirect("/login")
    session["seen"] = int(time.time())
    return page("Tickets", '<p>No open tickets.</p><p><a id=again href="/tickets">Look again</a></p>')


@app.get("/favicon.ico")
def favicon():
    return "", 404
