"""Settings of the HTTP edge."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConfig:
    """Limits of 0 are off. `trusted_proxies` are networks (`10.0.0.0/8`, `::1`) whose `X-Forwarded-For` is
    believed;
    `cors_origins` are origins (`https://chat.example`), or `*` for all."""

    max_body_bytes: int = 1024 * 1024
    body_timeout_s: float = 30.0
    requests_per_user: int = 1_200
    requests_per_address: int = 6_000
    requests_window_s: float = 60.0
    trusted_proxies: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    cors_max_age_s: int = 600
