import os, sys, enum, collections, dataclasses, decimal, fractions, datetime, functools, itertools, array, re, string, types

class Color(enum.Enum):
    RED = 1
    GREEN = "g"

class Flag(enum.IntFlag):
    A = 1
    B = 2

@dataclasses.dataclass
class Item:
    name: str
    price: float
    tags: list = dataclasses.field(default_factory=list)

@dataclasses.dataclass(slots=True)
class Slim:
    x: int
    y: "Slim | None" = None

Point = collections.namedtuple("Point", "x y")

class Custom(Exception):
    def __init__(self, code, text):
        super().__init__(code, text)
        self.code = code

class MyList(list):
    pass

class MyInt(int):
    pass

class MyStr(str):
    pass

class MySet(set):
    pass

class MyFrozen(frozenset):
    pass

class MyDeque(collections.deque):
    pass

class MyDefault(collections.defaultdict):
    pass

class MyOrdered(collections.OrderedDict):
    pass

class MyDate(datetime.date):
    pass

class MyBytes(bytearray):
    pass

def numbers(n):
    total = 0
    for i in range(n):
        total += i
        got = yield total
        note = f"step {i}"

def delegating(n):
    before = "outer"
    yield from numbers(n)

def values(flag):
    small = 7; negative = -3; big = 2**100; minus_big = -(2**70); zero = 0
    real = 1.5; tiny = 1e-300; inf = float("inf"); nan = float("nan"); cplx = 3+4j
    yes = True; nothing = None
    text = "it's \"quoted\"\n"; wide = "żółw 🐢"; empty = ""; raw = b"\x00\xffabc'"; ba = bytearray(b"xyz")
    tup = (1, "a", None, (2,)); single = (1,); lst = [1, [2, [3, [4]]]]; nested = {"a": [1, {"b": (2, 3)}], 5: None}
    st = {3, 1, 2}; fs = frozenset(["one"]); es = set()
    color = Color.GREEN; fl = Flag.A | Flag.B
    item = Item("pen", 2.5, ["blue"]); slim = Slim(1, Slim(2)); pt = Point(1, 2.0)
    od = collections.OrderedDict(a=1, b=2); dd = collections.defaultdict(list, {"k": [1]}); ctr = collections.Counter("abca"); dq = collections.deque([1, 2], maxlen=5)
    ml = MyList([1, 2]); mi = MyInt(9); ms = MyStr("sub")
    err = ValueError("bad", 3); cust = Custom(4, "x")
    rng = range(1, 10, 3); sl = slice(1, None, 2); ell = ...
    fn = values; lam = lambda x: x; meth = item.__init__; typ = Item; builtin = len; part = functools.partial(max, 1)
    gen = numbers(5); next(gen); next(gen)
    gen2 = delegating(4); next(gen2)
    fresh = numbers(3)
    dec = decimal.Decimal("1.10"); fr = fractions.Fraction(1, 3); dt = datetime.datetime(2026, 1, 2, 3, 4, 5); td = datetime.timedelta(days=1)
    arr = array.array("i", [1, 2]); mv = memoryview(b"abc"); it = iter([1, 2]); cell = lambda: text
    recursive = [1]; recursive.append(recursive)
    big_list = list(range(200)); long_text = "x" * 300
    odd = "\x7f\x80\xa0\xad\u200b\u2028\U000e0001\u0378"; accent = "e\u0301"; lone = "\ud800x"; array_quote = bytearray(b"\x00'")
    moved = collections.OrderedDict([("z", 1), ("a", {"n": 2}), ("q", 3)]); moved.move_to_end("z"); moved.move_to_end("q", last=False)
    refilled = collections.OrderedDict(a=1, b=2, c=3); del refilled["b"]; refilled["b"] = 4; no_order = collections.OrderedDict()
    my_set = MySet({1}); my_empty = MySet(); my_frozen = MyFrozen("x"); my_deque = MyDeque([1]); my_default = MyDefault(int, {"k": 1})
    my_ordered = MyOrdered(a=1); my_date = MyDate(2026, 2, 3); my_bytes = MyBytes(b"q")
    enum_class = Color; flag_class = Flag; plain_class = Item
    keys = nested.keys(); vals = nested.values(); pairs = nested.items(); ordered_keys = moved.keys(); no_keys = {}.keys()
    proxy = types.MappingProxyType({"m": [1]}); space = types.SimpleNamespace(x=1, y=[2])
    clock = datetime.time(1, 2, 3, 4); noon = datetime.time(12); utc = datetime.timezone.utc; zone = datetime.timezone(datetime.timedelta(hours=2))
    named_zone = datetime.timezone(datetime.timedelta(hours=-5), "EST"); aware = datetime.datetime(2026, 1, 1, tzinfo=utc); aware_clock = datetime.time(1, tzinfo=zone)
    folded = datetime.datetime(2026, 1, 1, 3, fold=1); no_time = datetime.timedelta(0); back = datetime.timedelta(days=-1, seconds=5, microseconds=7)
    alias = list[int]; alias_deep = dict[str, list[Item]]; alias_empty = tuple[()]; either = int | None
    dec_exp = decimal.Decimal("1E+3"); dec_zero = decimal.Decimal("-0.00"); dec_nan = decimal.Decimal("NaN"); dec_inf = decimal.Decimal("-Infinity")
    dec_big = decimal.Decimal(10) ** 40 + 1; dec_small = decimal.Decimal("0.000001234"); dec_tiny = decimal.Decimal("1.5E-9")
    no_arr = array.array("d"); floats = array.array("f", [0.5, 0.1]); shorts = array.array("h", [-1, 300]); wide_arr = array.array("Q", [2**63])
    pattern = re.compile("a+", re.I | re.M); plain_pattern = re.compile("b"); bytes_pattern = re.compile(b"x")
    module = string; frozen_module = os; built_in_module = sys; static = staticmethod(len)
    group = ExceptionGroup("many", [ValueError(1), ExceptionGroup("in", [KeyError("z")])])
    names = sorted(locals())
    out = []
    here = dict(locals())
    for name in names:
        if name in ("names", "out", "here", "flag"): continue
        out.append(f"{name} = {here[name]!r}")
    del here
    if flag:
        # Of more than the stream permits at once (64 KiB), the standard output of componentize-py keeps the first.
        for line in out: print(line, flush=True)
        os.abort()
    return out

def chain(n):
    try:
        try:
            {}["missing"]
        except KeyError as e:
            inner = "handling"
            raise ValueError("while handling") from e
    except ValueError:
        raise Custom(7, "at the end")

class WitWorld:
    def go(self, mode: str) -> str:
        if mode == "values": return str(values(True))
        if mode == "raise": chain(1)
        if mode == "caught":
            try: chain(1)
            except Custom as e:
                saved = e
                os.abort()
        if mode == "context":
            try:
                int("x")
            except ValueError:
                os.abort()
        if mode == "spin":
            n = 0
            while True: n += 1
        return mode

# The name that componentize-py wants until 0.16.
Spike = WitWorld
