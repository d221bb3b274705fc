"""The page at /docs: the API's OpenAPI document for people, by Swagger UI from files that are in the package.

It loads nothing from elsewhere and works without a network. The policy lets it run its own scripts and ask its own
node, and nothing else: what a ledger holds is hostile text to a browser.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from node.http.call import Answer, Caching, Call

HTML = "text/html"
CSS = "text/css"
JAVASCRIPT = "text/javascript"

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_PAGE = b"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>quorum-ledger API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<main id="api"><noscript>The API is described at <a href="/v1/openapi.json">/v1/openapi.json</a>.</noscript></main>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/page.js"></script>
</body>
</html>
"""

_SCRIPT = b"""SwaggerUIBundle({
  url: "/v1/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  docExpansion: "list",
  validatorUrl: null, // asks somebody else's server otherwise
});
"""


def page(call: Call) -> Answer:
    """GET /docs."""
    headers = {"Content-Security-Policy": _POLICY}
    return Answer(_PAGE, media_type=HTML, caching=Caching.REVALIDATE, headers=headers)


def script(call: Call) -> Answer:
    """GET /docs/page.js."""
    return Answer(_SCRIPT, media_type=JAVASCRIPT, caching=Caching.REVALIDATE)


def style_sheet(call: Call) -> Answer:
    """GET /docs/swagger-ui.css."""
    return Answer(_vendored("swagger-ui.css"), media_type=CSS, caching=Caching.REVALIDATE)


def bundle(call: Call) -> Answer:
    """GET /docs/swagger-ui-bundle.js."""
    return Answer(_vendored("swagger-ui-bundle.js"), media_type=JAVASCRIPT, caching=Caching.REVALIDATE)


@cache
def _vendored(name: str) -> bytes:
    return (files("node.http.vendored") / "swagger_ui" / name).read_bytes()
