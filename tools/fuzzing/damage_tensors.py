"""Damage by the structure of a file of tensors: its header, messages, instructions or members."""

import io
import json
import pickletools
import re
import zipfile
from binascii import crc32

from .damage import of_json
from .values import DIGITS, TEXTS, as_json, change, pick

_PICKLE = [
    b"N",
    b"\x88",
    b")",
    b"}",
    b"]",
    b"(",
    b"t",
    b"R",
    b"0",
    b"1",
    b"2",
    b"b",
    b"u",
    b"s",
    b"e",
    b"a",
    b"Q",
    b".",
]
_PICKLE += [
    b"K\xff",
    b"J\xff\xff\xff\x7f",
    b"J\xff\xff\xff\xff",
    b"\x8a\x09" + b"\xff" * 8 + b"\x7f",
    b"G" + b"\x7f\xf0" * 4,
]
_PICKLE += [
    b"cos\nsystem\n",
    b"cbuiltins\ngetattr\n",
    b"h\x00",
    b"q\x00",
    b"h\x07",
    b"\x85",
    b"\x86",
    b"\x87",
    b"X\xff\xff\xff\x7f",
]
_PICKLE += [
    b"\x8b\xff\xff\xff\x7f",
    b"\x8d" + b"\xff" * 8,
    b"I" + DIGITS.encode() + b"\n",
    b"L" + DIGITS.encode() + b"L\n",
]
_PICKLE += [b"2\x86" * 40, b"]2a" * 3, b"}2K\x01s", b"(" * 200, b"X\x03\x00\x00\x00\xed\xa0\x80", b"F1e400\n", b"\x93"]


def of_safetensors(content, rng):
    """The header: types, shapes, offsets, names, metadata; the length before it at times is left wrong."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    notes = header.get("__metadata__")
    if notes and rng.random() < 0.5:
        key = pick(rng, list(notes))
        notes[key], told = _note(notes[key], rng)
    else:
        told = change(header, rng)
    text = as_json(header, rng).encode("utf-8", "surrogatepass")
    body = content[8 + length :]
    if rng.random() < 0.1:
        body = pick(rng, [body[: len(body) // 2], body + bytes(64), body[:-1], b""])
    claimed = len(text) if rng.random() < 0.95 else pick(rng, [0, 2, len(text) - 1, len(text) + 1, 2**40, 2**63])
    return claimed.to_bytes(8, "little") + text + body, told


def _note(text, rng):
    """A text of the metadata: most are JSON of their own."""
    if text[:1] not in tuple('[{"-0123456789tfn') or rng.random() < 0.2:
        return pick(rng, TEXTS), "note"
    content, told = of_json(text.encode("utf-8", "surrogatepass"), rng)
    return content.decode("utf-8", "surrogatepass"), f"note, {told}"


def of_ckpt(content, rng):
    """A message: dims, type, bytes, tag; with the checksum made right, left wrong, or left out."""
    from mindspore.train.checkpoint_pb2 import Checkpoint

    tail = content[-17:-10] == b"crc_num"
    checkpoint = Checkpoint()
    checkpoint.ParseFromString(content[:-17] if tail else content)
    entry = checkpoint.value[int(rng.integers(len(checkpoint.value)))]
    kind = pick(rng, ["dims", "dims", "type", "bytes", "tag", "twice", "gone", "order"])
    if kind == "dims":
        entry.tensor.dims[:] = pick(
            rng, [[], [0], [-1], [2**62] * 3, [1] * 40, [2**63 - 1], [*entry.tensor.dims, 1], [0] * 33, [-4, -4]]
        )
    elif kind == "type":
        entry.tensor.tensor_type = pick(
            rng, ["str", "Float64", "Int4", "", "BFloat16", "\x1b[2J", "Float32" * 50, "Bool"]
        )
    elif kind == "bytes":
        held = entry.tensor.tensor_content
        entry.tensor.tensor_content = pick(rng, [b"", held[:-1], held * 2, held + b"\0" * 4, b"{}", b"\xff" * 64])
    elif kind == "tag":
        names = [other.tag for other in checkpoint.value]
        entry.tag = pick(rng, [*names, "", "mindone_tae.metadata", "\x1b[2J", "a" * 5000, "autoencoder.x", "a.b.c"])
    elif kind == "twice":
        checkpoint.value.add().CopyFrom(entry)
    elif kind == "gone":
        checkpoint.value.remove(entry)
    else:
        checkpoint.value.insert(0, checkpoint.value.pop())
    content = checkpoint.SerializeToString()
    if rng.random() < 0.5:
        content += b"crc_num" + (crc32(content) ^ int(rng.random() < 0.1)).to_bytes(10, "big")
    return content, kind


def of_pickle(content, rng):
    """An instruction: another, one more, one less."""
    places = [place for _, _, place in pickletools.genops(content)]
    number = int(rng.integers(len(places)))
    start = places[number]
    end = places[number + 1] if number + 1 < len(places) else len(content)
    kind = pick(rng, ["other", "other", "more", "gone", "repeated", "moved"])
    taken = content[start:end]
    new = {"other": pick(rng, _PICKLE), "more": pick(rng, _PICKLE) + taken, "gone": b"", "repeated": taken * 3}
    if kind == "moved":
        at = pick(rng, places)
        return content[:at] + taken + content[at:], f"instruction {number}: moved"
    return content[:start] + new[kind] + content[end:], f"instruction {number}: {kind}"


def of_torch_zip(content, rng):
    """The pickle in a zip archive, or the archive's members."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = next((name for name in members if name.endswith("data.pkl")), next(iter(members)))
    told, compression = "archive", zipfile.ZIP_STORED
    if rng.random() < 0.7:
        members[name], told = of_pickle(members[name], rng)
    else:
        other = pick(rng, list(members))
        kind = pick(rng, ["gone", "short", "long", "renamed", "deflated"])
        told, held = f"{other}: {kind}", members.pop(other)
        if kind == "deflated":
            compression = zipfile.ZIP_DEFLATED
        if kind != "gone":
            new = pick(rng, ["../x", "archive/data/0", "\x1b/data.pkl", "a/data.pkl"]) if kind == "renamed" else other
            members[new] = {"short": held[:-1], "long": held + bytes(4)}.get(kind, held)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, held in members.items():
            archive.writestr(name, held)
    return file.getvalue(), told


def of_npy(content, rng):
    """The header of a .npy: shape, type, order."""
    length = int.from_bytes(content[8:10], "little")
    text, body = content[10 : 10 + length].decode("latin-1"), content[10 + length :]
    shape = pick(rng, ["()", "(-1,)", "(1e400,)", "(2**70,)", f"({DIGITS},)", "(10**18, 4)", "(True,)", "(0, 4, 2, 2)"])
    kind = pick(rng, ["shape", "shape", "type", "text"])
    if kind == "shape":
        text = re.sub(
            r"\([^)]*\)", lambda _: pick(rng, [shape, "(" + "1, " * 40 + ")", "(4, 1099511627776, 2, 2)"]), text
        )
    elif kind == "type":
        types = ["O", "<f2", "<f16", ">f4", "U4", "V8", "<m8[s]", "<c8", "x", "<f4, <f4"]
        text = re.sub(r"'[<|>=]?[a-zA-Z]\d+'", lambda _: f"'{pick(rng, types)}'", text)
    else:
        text = pick(rng, ["{}", "[]", "{'descr': 1}", "(" * 300, text.rstrip() + "}", "x", "{'shape': " + "[" * 300])
    text = text.rstrip() + "\n"
    return content[:8] + len(text).to_bytes(2, "little") + text.encode("latin-1") + body, kind
