//! Converts values of components from and to WAVE, the notation that `wasmtime run --invoke` takes and prints.
//!
//! The engine's own implementation is not used: it would need one more of the engine's features.

use std::borrow::Cow;
use std::iter;

use wasm_wave::value::{Type as WaveType, Value};
use wasm_wave::wasm::{WasmTypeKind, WasmValue};
use wasmtime::component::Val;
use wasmtime::component::types::Type;

/// The WAVE type; `None` for types that WAVE cannot write (resources, streams, maps …).
pub fn wave_type(ty: &Type) -> Option<WaveType> {
    Some(match ty {
        Type::Bool => WaveType::BOOL,
        Type::S8 => WaveType::S8,
        Type::U8 => WaveType::U8,
        Type::S16 => WaveType::S16,
        Type::U16 => WaveType::U16,
        Type::S32 => WaveType::S32,
        Type::U32 => WaveType::U32,
        Type::S64 => WaveType::S64,
        Type::U64 => WaveType::U64,
        Type::Float32 => WaveType::F32,
        Type::Float64 => WaveType::F64,
        Type::Char => WaveType::CHAR,
        Type::String => WaveType::STRING,
        Type::List(list) => WaveType::list(wave_type(&list.ty())?),
        Type::FixedLengthList(list) => WaveType::fixed_length_list(wave_type(&list.ty())?, list.len()),
        Type::Record(record) => {
            let field = |(name, ty): (&str, Type)| Some((name.to_owned(), wave_type(&ty)?));
            let fields = record.fields().map(|each| field((each.name, each.ty)));
            WaveType::record(fields.collect::<Option<Vec<_>>>()?)?
        }
        Type::Tuple(tuple) => WaveType::tuple(tuple.types().map(|ty| wave_type(&ty)).collect::<Option<Vec<_>>>()?)?,
        Type::Variant(variant) => {
            let case = |(name, ty): (&str, Option<Type>)| Some((name.to_owned(), optional(ty.as_ref())?));
            let cases = variant.cases().map(|each| case((each.name, each.ty)));
            WaveType::variant(cases.collect::<Option<Vec<_>>>()?)?
        }
        Type::Enum(cases) => WaveType::enum_ty(cases.names())?,
        Type::Option(option) => WaveType::option(wave_type(&option.ty())?),
        Type::Result(result) => WaveType::result(optional(result.ok().as_ref())?, optional(result.err().as_ref())?),
        Type::Flags(flags) => WaveType::flags(flags.names())?,
        Type::Own(_) | Type::Borrow(_) | Type::Future(_) | Type::Stream(_) | Type::ErrorContext | Type::Map(_) => {
            return None;
        }
    })
}

/// The WAVE type of an optional payload: `Some(None)` if there is no payload, `None` if WAVE cannot write it.
fn optional(ty: Option<&Type>) -> Option<Option<WaveType>> {
    match ty {
        Some(ty) => wave_type(ty).map(Some),
        None => Some(None),
    }
}

/// Converts a WAVE value to the engine's value of the type `ty`, from which the WAVE type was made.
pub fn to_val(value: &Value, ty: &Type) -> Val {
    let boxed = |value: Option<Cow<'_, Value>>, ty: Option<Type>| {
        value.zip(ty).map(|(value, ty)| Box::new(to_val(value.as_ref(), &ty)))
    };
    match ty {
        Type::Bool => Val::Bool(value.unwrap_bool()),
        Type::S8 => Val::S8(value.unwrap_s8()),
        Type::U8 => Val::U8(value.unwrap_u8()),
        Type::S16 => Val::S16(value.unwrap_s16()),
        Type::U16 => Val::U16(value.unwrap_u16()),
        Type::S32 => Val::S32(value.unwrap_s32()),
        Type::U32 => Val::U32(value.unwrap_u32()),
        Type::S64 => Val::S64(value.unwrap_s64()),
        Type::U64 => Val::U64(value.unwrap_u64()),
        Type::Float32 => Val::Float32(value.unwrap_f32()),
        Type::Float64 => Val::Float64(value.unwrap_f64()),
        Type::Char => Val::Char(value.unwrap_char()),
        Type::String => Val::String(value.unwrap_string().into_owned()),
        Type::List(list) => Val::List(value.unwrap_list().map(|item| to_val(&item, &list.ty())).collect()),
        Type::FixedLengthList(list) => {
            Val::FixedLengthList(value.unwrap_list().map(|item| to_val(&item, &list.ty())).collect())
        }
        Type::Record(record) => {
            let fields = record.fields().zip(value.unwrap_record());
            Val::Record(fields.map(|(field, (name, value))| (name.into_owned(), to_val(&value, &field.ty))).collect())
        }
        Type::Tuple(tuple) => {
            Val::Tuple(tuple.types().zip(value.unwrap_tuple()).map(|(ty, item)| to_val(&item, &ty)).collect())
        }
        Type::Variant(variant) => {
            let (name, payload) = value.unwrap_variant();
            let ty = variant.cases().find(|case| case.name == name).and_then(|case| case.ty);
            Val::Variant(name.into_owned(), boxed(payload, ty))
        }
        Type::Enum(_) => Val::Enum(value.unwrap_enum().into_owned()),
        Type::Option(option) => Val::Option(boxed(value.unwrap_option(), Some(option.ty()))),
        Type::Result(result) => Val::Result(match value.unwrap_result() {
            Ok(value) => Ok(boxed(value, result.ok())),
            Err(value) => Err(boxed(value, result.err())),
        }),
        Type::Flags(_) => Val::Flags(value.unwrap_flags().map(Cow::into_owned).collect()),
        Type::Own(_) | Type::Borrow(_) | Type::Future(_) | Type::Stream(_) | Type::ErrorContext | Type::Map(_) => {
            unreachable!("the notation has no such type, so no such value was read")
        }
    }
}

/// A value in WAVE; what WAVE cannot write (a resource, a stream …) stands in angle brackets.
pub fn text(value: &Val) -> String {
    wasm_wave::to_string(&Shown(value)).unwrap_or_else(|_| match value {
        Val::Resource(_) => "<resource>".to_owned(),
        _ => "<a value that has no notation>".to_owned(),
    })
}

/// A value as WAVE's writer reads it.
#[derive(Clone, Copy)]
struct Shown<'v>(&'v Val);

/// Defines the accessor of one kind of value; the writer asks only for the kind that [`WasmValue::kind`] returns.
macro_rules! plain {
    ($($unwrap:ident: $case:ident -> $ty:ty;)*) => {$(
        fn $unwrap(&self) -> $ty {
            match self.0 {
                Val::$case(value) => *value,
                _ => Default::default(),
            }
        }
    )*};
}

impl<'v> Shown<'v> {
    fn payload<'s>(payload: &'v Option<Box<Val>>) -> Option<Cow<'s, Self>> {
        payload.as_deref().map(|value| Cow::Owned(Shown(value)))
    }
}

impl WasmValue for Shown<'_> {
    type Type = WaveType;

    fn kind(&self) -> WasmTypeKind {
        match self.0 {
            Val::Bool(_) => WasmTypeKind::Bool,
            Val::S8(_) => WasmTypeKind::S8,
            Val::U8(_) => WasmTypeKind::U8,
            Val::S16(_) => WasmTypeKind::S16,
            Val::U16(_) => WasmTypeKind::U16,
            Val::S32(_) => WasmTypeKind::S32,
            Val::U32(_) => WasmTypeKind::U32,
            Val::S64(_) => WasmTypeKind::S64,
            Val::U64(_) => WasmTypeKind::U64,
            Val::Float32(_) => WasmTypeKind::F32,
            Val::Float64(_) => WasmTypeKind::F64,
            Val::Char(_) => WasmTypeKind::Char,
            Val::String(_) => WasmTypeKind::String,
            Val::List(_) => WasmTypeKind::List,
            Val::FixedLengthList(_) => WasmTypeKind::FixedLengthList,
            Val::Record(_) => WasmTypeKind::Record,
            Val::Tuple(_) => WasmTypeKind::Tuple,
            Val::Variant(..) => WasmTypeKind::Variant,
            Val::Enum(_) => WasmTypeKind::Enum,
            Val::Option(_) => WasmTypeKind::Option,
            Val::Result(_) => WasmTypeKind::Result,
            Val::Flags(_) => WasmTypeKind::Flags,
            Val::Resource(_) | Val::Stream(_) | Val::Future(_) | Val::ErrorContext(_) | Val::Map(_) => {
                WasmTypeKind::Unsupported
            }
        }
    }

    plain! {
        unwrap_bool: Bool -> bool;
        unwrap_s8: S8 -> i8;
        unwrap_u8: U8 -> u8;
        unwrap_s16: S16 -> i16;
        unwrap_u16: U16 -> u16;
        unwrap_s32: S32 -> i32;
        unwrap_u32: U32 -> u32;
        unwrap_s64: S64 -> i64;
        unwrap_u64: U64 -> u64;
        unwrap_f32: Float32 -> f32;
        unwrap_f64: Float64 -> f64;
        unwrap_char: Char -> char;
    }

    fn unwrap_string(&self) -> Cow<'_, str> {
        let Val::String(text) = self.0 else { return "".into() };
        text.into()
    }

    fn unwrap_list(&self) -> Box<dyn Iterator<Item = Cow<'_, Self>> + '_> {
        let (Val::List(items) | Val::FixedLengthList(items)) = self.0 else { return Box::new(iter::empty()) };
        Box::new(items.iter().map(|item| Cow::Owned(Shown(item))))
    }

    fn unwrap_record(&self) -> Box<dyn Iterator<Item = (Cow<'_, str>, Cow<'_, Self>)> + '_> {
        let Val::Record(fields) = self.0 else { return Box::new(iter::empty()) };
        Box::new(fields.iter().map(|(name, value)| (name.into(), Cow::Owned(Shown(value)))))
    }

    fn unwrap_tuple(&self) -> Box<dyn Iterator<Item = Cow<'_, Self>> + '_> {
        let Val::Tuple(items) = self.0 else { return Box::new(iter::empty()) };
        Box::new(items.iter().map(|item| Cow::Owned(Shown(item))))
    }

    fn unwrap_variant(&self) -> (Cow<'_, str>, Option<Cow<'_, Self>>) {
        let Val::Variant(name, payload) = self.0 else { return ("".into(), None) };
        (name.into(), Self::payload(payload))
    }

    fn unwrap_enum(&self) -> Cow<'_, str> {
        let Val::Enum(name) = self.0 else { return "".into() };
        name.into()
    }

    fn unwrap_option(&self) -> Option<Cow<'_, Self>> {
        let Val::Option(payload) = self.0 else { return None };
        Self::payload(payload)
    }

    fn unwrap_result(&self) -> Result<Option<Cow<'_, Self>>, Option<Cow<'_, Self>>> {
        match self.0 {
            Val::Result(Ok(payload)) => Ok(Self::payload(payload)),
            Val::Result(Err(payload)) => Err(Self::payload(payload)),
            _ => Ok(None),
        }
    }

    fn unwrap_flags(&self) -> Box<dyn Iterator<Item = Cow<'_, str>> + '_> {
        let Val::Flags(names) = self.0 else { return Box::new(iter::empty()) };
        Box::new(names.iter().map(Cow::from))
    }
}
