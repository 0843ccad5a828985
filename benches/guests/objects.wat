;; Two million objects: an array of a million structs, each with a text of its own. Tells the time just before it dies.
(module $objects
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "2000001 objects, trap at ")
  (type $text (array (mut i16)))
  (type $order (struct (field $id i32) (field $price f64) (field $label (ref $text)) (field $previous (ref null $order))))
  (type $orders (array (mut (ref null $order))))

  (func $make (param $count i32) (result (ref $orders))
    (local $orders (ref null $orders)) (local $last (ref null $order)) (local $at i32)
    (local.set $orders (array.new $orders (ref.null $order) (local.get $count)))
    (loop $more
      (local.set $last
        (struct.new $order (local.get $at) (f64.convert_i32_u (local.get $at))
          (array.new $text (i32.add (i32.const 97) (i32.rem_u (local.get $at) (i32.const 26))) (i32.const 6))
          (local.get $last)))
      (array.set $orders (local.get $orders) (local.get $at) (local.get $last))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $at) (local.get $count))))
    (ref.as_non_null (local.get $orders)))

  ;; The time in nanoseconds behind the words, 19 digits, from the last to the first.
  (func $tell
    (local $time i64) (local $at i32)
    (drop (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 8)))
    (local.set $time (i64.load (i32.const 8)))
    (local.set $at (i32.const 108))
    (i32.store8 (local.get $at) (i32.const 10))
    (loop $digit
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at)
        (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $time) (i64.const 10)))))
      (local.set $time (i64.div_u (local.get $time) (i64.const 10)))
      (br_if $digit (i64.ne (local.get $time) (i64.const 0))))
    (i32.store (i32.const 16) (i32.const 64))
    (i32.store (i32.const 20) (i32.const 45))
    (drop (call $fd_write (i32.const 2) (i32.const 16) (i32.const 1) (i32.const 32))))

  (func $die (param $orders (ref $orders))
    (call $tell)
    unreachable)

  (func (export "_start") (call $die (call $make (i32.const 1000000)))))
