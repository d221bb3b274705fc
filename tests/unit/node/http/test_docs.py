"""The page at /docs: from vendored files as they came, with nothing from elsewhere, and alive in a real browser."""

from __future__ import annotations

import asyncio
import re
import shutil
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import pytest

from node.http.routes import ROUTES
from tests.unit.node.http.conftest import Api

VENDORED = Path(str(files("node.http.vendored"))) / "swagger_ui"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def test_the_vendored_files_are_as_they_came() -> None:
    listed = dict(line.split("  ")[::-1] for line in (VENDORED / "SHA256SUMS").read_text().splitlines())
    there = {path.name for path in VENDORED.iterdir()} - {"SHA256SUMS", "README.md"}
    assert set(listed) == there
    assert {"LICENSE", "NOTICE", "swagger-ui.css", "swagger-ui-bundle.js"} <= there
    for name, digest in listed.items():
        assert sha256((VENDORED / name).read_bytes()).hexdigest() == digest, name
    assert re.search(r"swagger-ui-dist \d+\.\d+\.\d+", (VENDORED / "README.md").read_text())


async def test_the_page_loads_nothing_from_elsewhere(api: Api) -> None:
    page = await api.get("/docs", headers={"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"})
    assert page.headers["Content-Type"] == "text/html"
    policy = page.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "http" not in policy
    parts = re.findall(r'(?:src|href)="([^"]*)"', page.body.decode())
    assert parts == [
        "data:,",
        "/docs/swagger-ui.css",
        "/v1/openapi.json",
        "/docs/swagger-ui-bundle.js",
        "/docs/page.js",
    ]
    for part in parts[1:]:
        reply = await api.get(part)
        assert reply.status == 200
        again = await api.get(part, headers={"If-None-Match": reply.headers["ETag"]})
        assert (again.status, again.body) == (304, b"")
    assert b"://" not in (await api.get("/docs/page.js")).body


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine (Debian: apt install chromium)")
async def test_a_browser_shows_every_route_and_breaks_no_policy(api: Api, tmp_path: Path) -> None:
    assert CHROMIUM is not None
    browser = await asyncio.create_subprocess_exec(
        CHROMIUM,
        *("--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"),
        *("--virtual-time-budget=15000", "--enable-logging=stderr", "--dump-dom", f"{api.url}/docs"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    shown, said = await browser.communicate()
    listed = set(re.findall(r'data-path="([^"]*)"', shown.decode()))
    assert listed == {route.path for route in ROUTES}
    assert b"CONSOLE" not in said, said.decode()
