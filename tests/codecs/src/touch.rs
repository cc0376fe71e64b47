//! Reads all of a value once; the sum shows that codecs agree.

/// A value that can be read through.
pub(crate) trait Touch {
    fn touch(&self) -> u32;
}

macro_rules! numbers {
    ($($number:ty),*) => { $(impl Touch for $number {
        fn touch(&self) -> u32 { *self as u32 }
    })* };
}
numbers!(bool, u8, u16, u32, u64, u128, i16, i64);

impl Touch for str {
    fn touch(&self) -> u32 {
        let ends = self.as_bytes().first().zip(self.as_bytes().last());
        ends.map_or(0, |(first, last)| self.len() as u32 + u32::from(*first) * 31 + u32::from(*last) * 17)
    }
}

impl Touch for String {
    fn touch(&self) -> u32 {
        self.as_str().touch()
    }
}

impl<T: Touch> Touch for [T] {
    fn touch(&self) -> u32 {
        self.iter().fold(self.len() as u32, |sum, value| sum.wrapping_mul(3).wrapping_add(value.touch()))
    }
}

impl<T: Touch> Touch for Vec<T> {
    fn touch(&self) -> u32 {
        self.as_slice().touch()
    }
}

impl<T: Touch, const N: usize> Touch for [T; N] {
    fn touch(&self) -> u32 {
        self.as_slice().touch()
    }
}

impl<T: Touch> Touch for Option<T> {
    fn touch(&self) -> u32 {
        self.as_ref().map_or(0, |value| value.touch().wrapping_add(1))
    }
}

impl<T: Touch + ?Sized> Touch for Box<T> {
    fn touch(&self) -> u32 {
        (**self).touch()
    }
}

impl<A: Touch, B: Touch> Touch for (A, B) {
    fn touch(&self) -> u32 {
        self.0.touch().wrapping_add(self.1.touch())
    }
}

#[cfg(feature = "rkyv")]
mod archived {
    use super::Touch;
    use rkyv::boxed::ArchivedBox;
    use rkyv::option::ArchivedOption;
    use rkyv::rend::{i16_le, i64_le, u16_le, u32_le, u64_le, u128_le};
    use rkyv::string::ArchivedString;
    use rkyv::tuple::ArchivedTuple2;
    use rkyv::vec::ArchivedVec;

    macro_rules! numbers {
        ($($number:ty),*) => { $(impl Touch for $number {
            fn touch(&self) -> u32 { self.to_native() as u32 }
        })* };
    }
    numbers!(u16_le, u32_le, u64_le, u128_le, i16_le, i64_le);

    impl Touch for ArchivedString {
        fn touch(&self) -> u32 {
            self.as_str().touch()
        }
    }

    impl<T: Touch> Touch for ArchivedVec<T> {
        fn touch(&self) -> u32 {
            self.as_slice().touch()
        }
    }

    impl<T: Touch> Touch for ArchivedOption<T> {
        fn touch(&self) -> u32 {
            self.as_ref().map_or(0, |value| value.touch().wrapping_add(1))
        }
    }

    impl<T: Touch> Touch for ArchivedBox<T> {
        fn touch(&self) -> u32 {
            self.get().touch()
        }
    }

    impl<A: Touch, B: Touch> Touch for ArchivedTuple2<A, B> {
        fn touch(&self) -> u32 {
            self.0.touch().wrapping_add(self.1.touch())
        }
    }
}

/// Defines a type with what each codec asks for, and the walk over it, in memory and as rkyv archives it.
#[macro_export]
macro_rules! shape {
    (struct $name:ident { $($field:ident: $type:ty),* $(,)? }) => {
        #[derive(Clone, Debug, PartialEq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "wincode", derive(wincode::SchemaWrite, wincode::SchemaRead))]
        #[cfg_attr(feature = "rkyv", derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize))]
        #[cfg_attr(feature = "bitcode", derive(bitcode::Encode, bitcode::Decode))]
        pub struct $name { $(pub $field: $type),* }

        $crate::shape!(@walk $name => $name { $($field),* });
        #[cfg(feature = "rkyv")]
        $crate::shape!(@walk $name => <$name as rkyv::Archive>::Archived { $($field),* });
    };
    (@walk $name:ident => $of:ty { $($field:ident),* }) => {
        impl $crate::touch::Touch for $of {
            fn touch(&self) -> u32 {
                0_u32 $(.wrapping_mul(3).wrapping_add($crate::touch::Touch::touch(&self.$field)))*
            }
        }
    };
    (enum $name:ident { $($variant:ident $(($inner:ident: $type:ty))? $({ $($field:ident: $of:ty),* })?),* }) => {
        #[derive(Clone, Debug, PartialEq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "wincode", derive(wincode::SchemaWrite, wincode::SchemaRead))]
        #[cfg_attr(feature = "rkyv", derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize))]
        #[cfg_attr(feature = "bitcode", derive(bitcode::Encode, bitcode::Decode))]
        pub enum $name { $($variant $(($type))? $({ $($field: $of),* })?),* }

        $crate::shape!(@choose $name => $name { $($variant $(($inner))? $({ $($field),* })?),* });
        #[cfg(feature = "rkyv")]
        $crate::shape!(@choose $name => <$name as rkyv::Archive>::Archived
            { $($variant $(($inner))? $({ $($field),* })?),* });
    };
    (@choose $name:ident => $of:ty { $($variant:ident $(($inner:ident))? $({ $($field:ident),* })?),* }) => {
        impl $crate::touch::Touch for $of {
            fn touch(&self) -> u32 {
                match self {
                    $(Self::$variant $(($inner))? $({ $($field),* })? => {
                        (stringify!($variant).len() as u32)
                            $(.wrapping_add($crate::touch::Touch::touch($inner)))?
                            $($(.wrapping_mul(3).wrapping_add($crate::touch::Touch::touch($field)))*)?
                    })*
                }
            }
        }
    };
}
