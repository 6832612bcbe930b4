#!/usr/bin/python3
"""A small API client on Python's own urllib.

  api.py login URL USER PASSWORD     prints the bearer token
  api.py get URL HEADER VALUE        one request
"""

import json
import sys
import urllib.parse
import urllib.request

what, url, *rest = sys.argv[1:]
if what == "login":
    form = urllib.parse.urlencode({"grant_type": "password", "username": rest[0], "password": rest[1]})
    with urllib.request.urlopen(url, form.encode(), timeout=10) as reply:
        print(json.load(reply)["access_token"])
else:
    request = urllib.request.Request(url, headers={rest[0]: rest[1]})
    with urllib.request.urlopen(request, timeout=10) as reply:
        print(reply.status, url, file=sys.stderr)
