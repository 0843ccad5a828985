"""As much of the binary format as the rows need: sections, code, and the memory in a dump."""
import mmap

PAGE = 4096


def leb(data, at):
    """An unsigned LEB128 number, and where the next byte is."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def constant(data, at):
    """An address as `i32.const` has it: signed, and above 2 GiB negative."""
    value, end = leb(data, at)
    if data[end - 1] & 64:
        value -= 1 << 7 * (end - at)
    return value & 0xFFFFFFFF, end


def encoded(number):
    """The shortest LEB128 of an unsigned number."""
    out = bytearray()
    while True:
        number, low = number >> 7, number & 127
        out.append(low | (128 if number else 0))
        if not number:
            return bytes(out)


def name(data, at):
    length, at = leb(data, at)
    return bytes(data[at:at + length]), at + length


def sections(data):
    """Number of each section, where it begins, where its contents do, where it ends."""
    at = 8
    while at < len(data):
        size, contents = leb(data, at + 1)
        yield data[at], at, contents, contents + size
        at = contents + size


def code_start(module):
    """File offset of the contents of the code section, from which DWARF counts in WebAssembly."""
    for number, _, contents, _ in sections(module.read_bytes()):
        if number == 10:
            return contents
    raise ValueError("no code section")


def bodies(module):
    """For each function of the module, imported ones included: where its body is, from the start of the code section."""
    data, imported, found = module.read_bytes(), [], []
    for number, _, contents, _ in sections(data):
        if number == 2:
            count, at = leb(data, contents)
            for _ in range(count):
                _, at = name(data, name(data, at)[1])
                if data[at] != 0:
                    raise ValueError("an import that is no function")
                _, at = leb(data, at + 1)
                imported.append(None)
        elif number == 10:
            count, at = leb(data, contents)
            for _ in range(count):
                size, at = leb(data, at)
                found.append(at - contents)
                at += size
    return imported + found


def used_pages(dump):
    """How many pages of 4 KiB of the dump's memory hold anything but zeros."""
    zeros, used = bytes(PAGE), set()
    with open(dump, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for number, _, contents, _ in sections(data):
            if number != 11:
                continue
            count, at = leb(data, contents)
            for _ in range(count):
                if data[at:at + 2] != b"\x00\x41":
                    raise ValueError("a segment that is not of the first memory, at a constant address")
                address, at = constant(data, at + 2)
                if data[at] != 0x0B:
                    raise ValueError("an address that is no constant")
                size, at = leb(data, at + 1)
                end = at + size
                while at < end:
                    part = min(PAGE - address % PAGE, end - at)
                    if data[at:at + part] != zeros[:part]:
                        used.add(address // PAGE)
                    at, address = at + part, address + part
    return len(used)
