"""What deploy/ says is true of the server: paths, settings, metrics."""

import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from app.config import load
from app.edges import socket_endpoints
from tests.e2e.server import ServerProcess

DEPLOY = Path(__file__).parents[2] / "deploy"
METRIC = re.compile(r"\b(?:feige|process)_[a-z_]+")


def read_yaml(*names: str) -> Any:
    return yaml.safe_load(DEPLOY.joinpath(*names).read_text())


def test_nginx_sends_every_socket_path_to_the_gateways() -> None:
    text = (DEPLOY / "nginx.conf").read_text()
    match = re.search(r"location ~ (\S+) {\s+proxy_pass http://gateways;", text)
    assert match is not None
    for path in ("/gateway", "/ws/17", "/api/v1/realtime/ws"):
        assert re.search(match[1], path)
        assert any(endpoint.pattern.fullmatch(path) for endpoint in socket_endpoints())
    for endpoint in socket_endpoints():
        path = re.sub(r"\(.*\)", "17", endpoint.pattern.pattern)
        assert re.search(match[1], path), f"{path} is not sent to the gateways"
    for path in ("/api/v1/messages/text", "/wss", "/gateway/x", "/docs"):
        assert not re.search(match[1], path)
    timeouts = [int(seconds) for seconds in re.findall(r"proxy_read_timeout (\d+)s;\s+proxy_send_timeout 120s", text)]
    assert min(timeouts) > 2.5 * load(None, {}, {}).gateway.heartbeat_s


@pytest.mark.parametrize("service", ["gateway-1", "gateway-2", "http", "migrate"])
def test_the_compose_file_has_valid_settings(service: str) -> None:
    described = read_yaml("compose.yaml")["services"][service]
    environment = {
        name: re.sub(r"\$\{\w+:\?[^}]*\}", "x" * 40, str(value)) for name, value in described["environment"].items()
    }
    words = iter(described["command"][1:])
    flags = {("server", word.removeprefix("--")): next(words) for word in words}
    config = load(None, environment, flags)
    assert config.database.is_mysql
    assert config.server.role == (service.partition("-")[0] if service != "migrate" else "all")


@pytest.mark.slow
async def test_alerts_and_dashboard_use_metrics_that_exist(tmp_path: Path, shared_stores: dict[str, str]) -> None:
    rules = read_yaml("prometheus", "alerts.yml")["groups"][0]["rules"]
    panels = json.loads((DEPLOY / "grafana" / "feige.json").read_text())["panels"]
    wanted = {name for rule in rules for name in METRIC.findall(rule["expr"])}
    wanted |= {name for panel in panels for target in panel["targets"] for name in METRIC.findall(target["expr"])}
    async with ServerProcess(tmp_path / "data", **shared_stores) as server:
        async with aiohttp.ClientSession() as http:
            # The first answer is counted in the second.
            for _ in range(2):
                async with http.get(f"{server.url}/metrics") as response:
                    text = await response.text()
    families = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    known = families | {f"{name}{suffix}" for name in families for suffix in ("_bucket", "_sum", "_count")}
    assert wanted <= known, wanted - known


def test_prometheus_scrapes_the_port_of_the_image() -> None:
    (job,) = read_yaml("prometheus", "prometheus.yml")["scrape_configs"]
    services = read_yaml("compose.yaml")["services"]
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    for target in job["static_configs"][0]["targets"]:
        host, _, port = target.partition(":")
        assert host in services
        assert f"FEIGE_METRICS_PORT={port}" in dockerfile
