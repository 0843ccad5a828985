#!/bin/bash
# A fault of the host's own code in a program that has a module compiled by wasm2c. wabt 1.0.32 (Debian wabt 1.0.32-1),
# gcc 12.2.0 (Debian gcc-12 12.2.0-14+deb12u1), x86-64.
#
# One would guess: traps are the guest's. A null pointer in a function of the host ends the process by SIGSEGV, with a
# core dump at that instruction, as with engines that look whether the fault was in compiled code or in the guest's
# memory.
# Seen: the handler that wasm2c's runtime installs takes each SIGSEGV and SIGBUS of the process for the guest's, and
# asks neither for the instruction nor for the address. A null pointer in an import, or in a library that it calls, is
# "Call stack exhausted", for it is not a fault of permissions; a write to a constant is one, and is "Out-of-bounds
# access in linear memory or a table". The call of the export ends with that trap, the host's functions are left in the
# middle (a lock stays locked, memory is lost), and the host, which handles traps, goes on. There is no dump and no
# signal, and whoever debugs it looks for a deep recursion in the guest. With WASM_RT_SKIP_SIGNAL_RECOVERY the host
# installs a handler of its own, which can look at the address.
set -euo pipefail

command -v gcc-12 > /dev/null && [ -e /usr/share/wabt/wasm2c/wasm-rt-impl.c ] && command -v wasm2c > /dev/null ||
    apt-get install -y --no-install-recommends wabt gcc-12 libc6-dev > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > shop.wat <<'WAT'
(module
  (import "host" "price" (func $price (param i32) (result i32)))
  (memory 1)
  (func (export "total") (param $id i32) (result i32) (i32.add (call $price (local.get $id)) (i32.const 1)))
  (func (export "load") (param $at i32) (result i32) (i32.load (local.get $at)))
  (func $deep (export "deep") (param $n i32) (result i32)
    (i32.add (call $deep (i32.add (local.get $n) (i32.const 1))) (i32.const 1))))
WAT
wat2wasm shop.wat -o shop.wasm
wasm2c shop.wasm -o shop.c
cat > host.c <<'C'
#include <stdio.h>
#include <setjmp.h>
#include "shop.h"
#include "wasm-rt-impl.h"

static int *prices[3];
static const int limit = 100;
static volatile int locked;

u32 Z_hostZ_price(struct Z_host_instance_t *host, u32 id) {
  locked = 1;
  if (id == 1) *(volatile int *)&limit = 7; /* a constant */
  int price = *(volatile int *)prices[id];  /* a table that nobody filled */
  locked = 0;
  return price;
}

static Z_shop_instance_t shop;

static void attempt(const char *what, u32 (*function)(Z_shop_instance_t *, u32), u32 value) {
  wasm_rt_trap_t code = wasm_rt_impl_try();
  if (code)
    printf("%s: %s; locked %d\n", what, wasm_rt_strerror(code), locked);
  else
    printf("%s: %u\n", what, function(&shop, value));
  locked = 0;
}

int main(void) {
  wasm_rt_init();
  Z_shop_init_module();
  Z_shop_instantiate(&shop, 0);
  attempt("a guest that reads behind its memory", Z_shopZ_load, 65536);
  attempt("a guest that recurses for ever", Z_shopZ_deep, 0);
  attempt("a host with a null pointer", Z_shopZ_total, 2);
  attempt("a host that writes to a constant", Z_shopZ_total, 1);
  int price = 5;
  prices[2] = &price;
  attempt("the same call when the table is filled", Z_shopZ_total, 2);
  return 0;
}
C
gcc-12 -O1 -I/usr/share/wabt/wasm2c host.c shop.c /usr/share/wabt/wasm2c/wasm-rt-impl.c -lm -o host
{ ./host; echo "exit code $?"; } | tee seen
diff seen - <<'EXPECTED'
a guest that reads behind its memory: Out-of-bounds access in linear memory or a table; locked 0
a guest that recurses for ever: Call stack exhausted; locked 0
a host with a null pointer: Call stack exhausted; locked 1
a host that writes to a constant: Out-of-bounds access in linear memory or a table; locked 1
the same call when the table is filled: 6
exit code 0
EXPECTED
echo 'seen as described'
