//! Writes and reads the values of named types: records by their fields, enums and variants by their cases, and flags.

/// The name of a case as WIT writes it: `NoEntry` is `no-entry`.
pub fn kebab(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        match letter {
            '_' => text.push('-'),
            'A'..='Z' if !text.is_empty() => text.extend(['-', letter.to_ascii_lowercase()]),
            _ => text.push(letter.to_ascii_lowercase()),
        }
    }
    text
}

/// Implements values of records, by their fields.
macro_rules! records {
    ($($ty:ty { $($field:ident: $field_ty:ty),* })*) => {$(
        impl Value for $ty {
            fn write(&self, output: &mut Vec<u8>) {
                $(self.$field.write(output);)*
            }

            fn read(input: &mut Input<'_>) -> Option<Self> {
                Some(Self { $($field: Value::read(input)?),* })
            }

            fn show(input: &mut Input<'_>, text: &mut String) -> Option<()> {
                let mut before = "{";
                $(
                    text.push_str(std::mem::replace(&mut before, ", "));
                    text.push_str(&kebab(stringify!($field).trim_end_matches('_')));
                    text.push_str(": ");
                    <$field_ty>::show(input, text)?;
                )*
                text.push('}');
                Some(())
            }
        }
    )*};
}
pub(crate) use records;

/// Implements values of enums and variants, by their cases in the order of the WIT.
macro_rules! variants {
    ($($ty:ty { $($case:ident $(($payload:ty))?),* })*) => {$(
        impl Value for $ty {
            #[allow(unused_assignments)]
            fn write(&self, output: &mut Vec<u8>) {
                let mut case = 0;
                $(
                    if let variants!(@pattern $case, payload $(, $payload)?) = self {
                        output.push(case);
                        $(<$payload as Value>::write(payload, output);)?
                        return;
                    }
                    case += 1;
                )*
            }

            #[allow(unused_assignments)]
            fn read(input: &mut Input<'_>) -> Option<Self> {
                let (chosen, mut case) = (input.byte()?, 0);
                $(
                    if chosen == case {
                        return Some(variants!(@value $case, input $(, $payload)?));
                    }
                    case += 1;
                )*
                None
            }

            #[allow(unused_assignments)]
            fn show(input: &mut Input<'_>, text: &mut String) -> Option<()> {
                let (chosen, mut case) = (input.byte()?, 0);
                $(
                    if chosen == case {
                        text.push_str(&kebab(stringify!($case)));
                        $(
                            text.push('(');
                            <$payload as Value>::show(input, text)?;
                            text.push(')');
                        )?
                        return Some(());
                    }
                    case += 1;
                )*
                None
            }
        }
    )*};
    (@pattern $case:ident, $name:ident) => { Self::$case };
    (@pattern $case:ident, $name:ident, $payload:ty) => { Self::$case($name) };
    (@value $case:ident, $input:ident) => { Self::$case };
    (@value $case:ident, $input:ident, $payload:ty) => { Self::$case(<$payload as Value>::read($input)?) };
}
pub(crate) use variants;

/// Implements values of flags, with at most eight flags per type.
macro_rules! flags {
    ($($ty:ty { $($flag:ident),* })*) => {$(
        impl Value for $ty {
            fn write(&self, output: &mut Vec<u8>) {
                let flags = [$(self.contains(Self::$flag)),*];
                output.push(flags.iter().rev().fold(0, |bits, &flag| bits << 1 | u8::from(flag)));
            }

            fn read(input: &mut Input<'_>) -> Option<Self> {
                let (bits, all) = (input.byte()?, [$(Self::$flag),*]);
                let set = all.iter().enumerate().filter(|(index, _)| bits >> index & 1 != 0);
                (bits.checked_shr(all.len() as u32).unwrap_or(0) == 0)
                    .then(|| set.fold(Self::empty(), |flags, (_, flag)| flags | *flag))
            }

            fn show(input: &mut Input<'_>, text: &mut String) -> Option<()> {
                let (bits, names) = (input.byte()?, [$(stringify!($flag)),*]);
                let set = names.iter().enumerate().filter(|(index, _)| bits >> index & 1 != 0);
                let names: Vec<String> = set.map(|(_, name)| name.to_lowercase().replace('_', "-")).collect();
                text.push('{');
                text.push_str(&names.join(", "));
                text.push('}');
                Some(())
            }
        }
    )*};
}
pub(crate) use flags;
