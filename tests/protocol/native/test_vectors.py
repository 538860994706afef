"""The golden vectors: what is on the wire never changes, and both codecs say the same things."""

import json
from typing import Any

import msgspec
import pytest

from protocol.native.binary_codec import NativeBinary
from protocol.native.json_codec import NativeJson
from protocol.native.schema import COMMANDS, SERVER_PACKETS, tag_of

from .samples import FOLDER, command_samples, server_samples

JSON, BINARY = NativeJson(), NativeBinary()
CLIENT: list[dict[str, Any]] = json.loads((FOLDER / "client.json").read_bytes())
SERVER: list[dict[str, Any]] = json.loads((FOLDER / "server.json").read_bytes())


def _name(vector: dict[str, Any]) -> str:
    return str(vector["name"])


def _compact(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.mark.parametrize("vector", CLIENT, ids=_name)
def test_commands(vector: dict[str, Any]) -> None:
    text, data = _compact(vector["json"]), bytes.fromhex(vector["binary_hex"])
    command = command_samples()[vector["name"]]
    assert vector["direction"] == "client"
    assert list(JSON.decode(text)) == [command]
    assert list(BINARY.decode(data)) == [command]
    assert JSON.encode_command(command) == text  # type: ignore[arg-type]
    assert BINARY.encode_command(command) == data  # type: ignore[arg-type]


@pytest.mark.parametrize("vector", SERVER, ids=_name)
def test_server_packets(vector: dict[str, Any]) -> None:
    text, data = _compact(vector["json"]), bytes.fromhex(vector["binary_hex"])
    packet = server_samples()[vector["name"]]
    assert vector["direction"] == "server"
    assert JSON.decode_packets(text) == [packet]
    assert BINARY.decode_packets(data) == [packet]
    assert JSON.encode_packet(packet) == text  # type: ignore[arg-type]
    assert BINARY.encode_packet(packet) == data  # type: ignore[arg-type]


@pytest.mark.parametrize(("vectors", "table"), [(CLIENT, COMMANDS), (SERVER, SERVER_PACKETS)])
def test_every_packet_and_field_has_a_vector(
    vectors: list[dict[str, Any]], table: dict[int, type[msgspec.Struct]]
) -> None:
    said = {vector["name"]: vector["json"] for vector in vectors}
    assert len(said) == len(vectors)
    for number, cls in table.items():
        fields = msgspec.structs.fields(cls)
        tag = tag_of(cls)
        assert said[tag].keys() == {"type", *(field.name for field in fields)}
        if any(not field.required for field in fields):
            assert said[f"{tag} (plain)"].keys() == {"type", *(field.name for field in fields if field.required)}
        first = {bytes.fromhex(each["binary_hex"])[0] & 0x3F for each in vectors if each["json"]["type"] == tag}
        assert first == {number}


def test_samples_and_vectors_are_the_same_set() -> None:
    assert [vector["name"] for vector in CLIENT] == list(command_samples())
    assert [vector["name"] for vector in SERVER] == list(server_samples())
