//! Small types that `{:?}` writes in a way of their own: ranges, times, addresses, numbers in wrappers.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::time::Duration;

use super::{RustValues, StdType};
use crate::catalog::units::Die;
use crate::lang::{Shown, cut};
use crate::location::Missing;
use crate::values::Value;

impl<'s> RustValues<'_, '_, '_, 's> {
    pub(super) fn plain(&self, known: &StdType<'_>, value: &Value, die: Die, depth: u32) -> Option<Shown> {
        Some(match known.name {
            "Range" | "RangeFrom" | "RangeTo" | "RangeInclusive" | "RangeToInclusive" | "RangeFull"
                if known.is_in("core") =>
            {
                self.range(known, value, depth)?
            }
            "Wrapping" | "Saturating" => self.show(&self.first_member(value)?, depth),
            "MaybeDangling" => self.with_payload("MaybeDangling", &self.first_member(value)?, depth),
            // It is not known if the contents were ever initialised: they are shown as a child.
            "MaybeUninit" => {
                let name = self.own_name(die)?;
                let inner = self.bare(value);
                let part = depth.checked_sub(1).map(|deeper| self.part("value", &inner, deeper));
                Shown { text: Ok(name), children: part.into_iter().collect() }
            }
            "PhantomData" => {
                let name = self.own_name(die)?;
                // Generic arguments that are the defaults are not written.
                Shown::text(
                    name.replace(", alloc::alloc::Global>", ">").replace(", std::hash::random::RandomState>", ">"),
                )
            }
            "Instant" | "SystemTime" if known.path == [&b"std"[..], b"time"] => {
                self.show(&self.first_member(value)?, depth)
            }
            "Alignment" if known.is_in("core") => match self.unwrapped(value)?.number(self.frame, false) {
                Ok(bytes @ 1..) if bytes.count_ones() == 1 => {
                    Shown::text(format!("{bytes} (1 << {})", bytes.trailing_zeros()))
                }
                Ok(_) => return None,
                Err(missing) => missing.into(),
            },
            "Duration" if known.is_in("core::time") => self.duration(value)?,
            "Ipv4Addr" => text(self.octets(value).map(|octets| Ipv4Addr::from(octets).to_string())),
            "Ipv6Addr" => text(self.octets(value).map(|octets| Ipv6Addr::from(octets).to_string())),
            "SocketAddrV4" => {
                let port = self.count(value, "port")?;
                let octets = self.octets(&self.field(value, "ip")?);
                text(octets.and_then(|ip| Ok(SocketAddrV4::new(ip.into(), port? as u16).to_string())))
            }
            "SocketAddrV6" => {
                let (port, scope) = (self.count(value, "port")?, self.count(value, "scope_id")?);
                let octets = self.octets(&self.field(value, "ip")?);
                text(octets.and_then(|ip| Ok(SocketAddrV6::new(ip.into(), port? as u16, 0, scope? as u32).to_string())))
            }
            _ => return None,
        })
    }

    fn own_name(&self, die: Die) -> Option<String> {
        Some(String::from_utf8_lossy(self.frame.units.name(die)?).into_owned())
    }

    fn range(&self, known: &StdType<'_>, value: &Value, depth: u32) -> Option<Shown> {
        let Some(deeper) = depth.checked_sub(1) else { return Some(Shown::text("..")) };
        let end = |name: &str| Some(self.part(name, &self.field(value, name)?, deeper));
        let (start, end) = (end("start"), end("end").or_else(|| end("last")));
        if start.is_none() && end.is_none() && known.name != "RangeFull" {
            return None;
        }
        let dots = if known.name.ends_with("Inclusive") { "..=" } else { ".." };
        let exhausted = match self.count(value, "exhausted") {
            Some(Ok(1)) if start.is_some() => "exhausted",
            _ => "",
        };
        let written =
            |part: &Option<crate::values::Variable>| part.as_ref().map(|part| part.text()).unwrap_or_default();
        let line = format!("{}{dots}{}{exhausted}", written(&start), written(&end));
        Some(Shown { text: Ok(cut(line)), children: start.into_iter().chain(end).collect() })
    }

    fn duration(&self, value: &Value) -> Option<Shown> {
        let (secs, nanos) = (self.count(value, "secs")?, self.count(value, "nanos")?);
        Some(match secs.and_then(|secs| Ok((secs, nanos?))) {
            Ok((secs, nanos)) => match u32::try_from(nanos).ok().filter(|&nanos| nanos < 1_000_000_000) {
                Some(nanos) => Shown::text(format!("{:?}", Duration::new(secs, nanos))),
                None => Missing::Malformed(format!("{nanos} nanoseconds in a second")).into(),
            },
            Err(missing) => missing.into(),
        })
    }

    fn octets<const N: usize>(&self, value: &Value) -> Result<[u8; N], Missing> {
        let unknown = || Missing::Malformed("an address of an unknown layout".into());
        let octets = self.dig(value, "octets").ok_or_else(unknown)?;
        octets.read(self.frame, N as u64)?.as_ref().try_into().map_err(|_| unknown())
    }
}

fn text(text: Result<String, Missing>) -> Shown {
    text.map_or_else(Shown::from, Shown::text)
}
