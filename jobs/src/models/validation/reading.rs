//! Reads an answer as JSON: strictly where it is JSON, else with repairs from a closed list.
//!
//! A repair changes how a value is written and never what it says. What is not finished is not closed, what is
//! missing is not invented, and where there are two values neither is chosen: that is the model's to do again.

use serde_json::{Map, Number, Value};

use super::{
    reason::Reason,
    repair::{Repair, RepairName},
};

/// Arrays and objects within each other.
const DEPTH: usize = 16;
/// An answer that needs more of them was not meant to be JSON.
pub(super) const REPAIRS: usize = 100;
/// Begins and ends a block of code in Markdown.
const FENCE: &str = "```";
const BRACKETS: [char; 4] = ['{', '}', '[', ']'];

/// A value, and what had to be repaired for it: nothing, where the answer is JSON.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reading {
    pub(super) value: Value,
    pub(super) repairs: Vec<Repair>,
}

/// Reads the one value of an answer.
pub(super) fn read(text: &str) -> Result<Reading, Reason> {
    if text.contains('\0') {
        return Err(Reason::Nul);
    }
    let whole = Reader::new(text).whole(None);
    let Err(Reason::NotJson | Reason::Unfinished) = whole else { return whole };
    if let Some(inside) = fenced(text)
        && let Ok(reading) = Reader::new(inside).whole(Some(RepairName::CodeFence))
    {
        return Ok(reading);
    }
    match text.find(BRACKETS) {
        Some(begin) => outermost(text, begin),
        None => whole,
    }
}

/// What is between the fences, of which one begins the text and one ends it.
fn fenced(text: &str) -> Option<&str> {
    let inside = text.trim().strip_prefix(FENCE)?.strip_suffix(FENCE)?;
    let (language, inside) = inside.split_once('\n')?;
    let is_word = language.trim().chars().all(|c| c.is_ascii_alphanumeric() || "+-_".contains(c));
    is_word.then_some(inside)
}

/// The one object or array with prose round it. Another bracket anywhere in the prose may begin another value.
fn outermost(text: &str, begin: usize) -> Result<Reading, Reason> {
    let mut reader = Reader::new(&text[begin..]);
    reader.repaired(RepairName::OutermostValue, None)?;
    let value = reader.value(0)?;
    if reader.rest().contains(BRACKETS) {
        return Err(Reason::TwoValues);
    }
    Ok(Reading { value, repairs: reader.repairs })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Where the value that is being read belongs.
    pointer: String,
    repairs: Vec<Repair>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0, pointer: String::new(), repairs: Vec::new() }
    }

    /// The text as one value and nothing else.
    fn whole(mut self, repaired: Option<RepairName>) -> Result<Reading, Reason> {
        if let Some(name) = repaired {
            self.repaired(name, None)?;
        }
        self.space()?;
        let value = self.value(0)?;
        self.space()?;
        if self.peek().is_some() { Err(Reason::NotJson) } else { Ok(Reading { value, repairs: self.repairs }) }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// The next character, of which there must be one.
    fn next(&mut self) -> Result<char, Reason> {
        let next = self.peek().ok_or(Reason::Unfinished)?;
        self.at += next.len_utf8();
        Ok(next)
    }

    fn take_while(&mut self, is_part: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let taken = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
        self.at += taken.len();
        taken
    }

    /// Notes a repair of what is read now; with the value, where that is written otherwise.
    fn repaired(&mut self, name: RepairName, value: Option<&Value>) -> Result<(), Reason> {
        if self.repairs.len() == REPAIRS {
            return Err(Reason::TooManyRepairs);
        }
        self.repairs.push(Repair::new(name, self.pointer.clone(), value.cloned()));
        Ok(())
    }

    /// Skips white space, and comments where there are any.
    fn space(&mut self) -> Result<(), Reason> {
        loop {
            self.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
            let rest = self.rest();
            let comment = if rest.starts_with("//") || rest.starts_with('#') {
                rest.find('\n').unwrap_or(rest.len())
            } else if let Some(inside) = rest.strip_prefix("/*") {
                inside.find("*/").ok_or(Reason::Unfinished)? + 4
            } else {
                return Ok(());
            };
            self.repaired(RepairName::Comment, None)?;
            self.at += comment;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, Reason> {
        match self.peek().ok_or(Reason::Unfinished)? {
            '{' | '[' if depth == DEPTH => Err(Reason::TooDeep),
            '{' => self.object(depth),
            '[' => self.array(depth),
            quote @ ('"' | '\'') => self.text(quote),
            '-' | '0'..='9' => self.number(),
            _ => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Reason> {
        let mut members = Map::new();
        self.at += 1;
        loop {
            self.space()?;
            if self.ends('}', members.is_empty())? {
                return Ok(Value::Object(members));
            }
            let within = self.pointer.len();
            let key = self.key()?;
            self.space()?;
            if self.next()? != ':' {
                return Err(Reason::NotJson);
            }
            self.space()?;
            let value = self.value(depth + 1)?;
            self.pointer.truncate(within);
            if members.insert(key, value).is_some() {
                return Err(Reason::DuplicateKey);
            }
            self.space()?;
            if self.comma_or('}')? {
                return Ok(Value::Object(members));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, Reason> {
        let mut items = Vec::new();
        self.at += 1;
        loop {
            self.space()?;
            if self.ends(']', items.is_empty())? {
                return Ok(Value::Array(items));
            }
            let within = self.pointer.len();
            self.enter(&items.len().to_string());
            items.push(self.value(depth + 1)?);
            self.pointer.truncate(within);
            self.space()?;
            if self.comma_or(']')? {
                return Ok(Value::Array(items));
            }
        }
    }

    /// Whether a structure ends here, where another part of it could begin: after a comma, unless it is empty.
    fn ends(&mut self, bracket: char, empty: bool) -> Result<bool, Reason> {
        if self.peek().ok_or(Reason::Unfinished)? != bracket {
            return Ok(false);
        }
        if !empty {
            self.repaired(RepairName::TrailingComma, None)?;
        }
        self.at += 1;
        Ok(true)
    }

    /// Whether a structure ends after one of its parts; else another may follow.
    fn comma_or(&mut self, bracket: char) -> Result<bool, Reason> {
        match self.next()? {
            ',' => Ok(false),
            end if end == bracket => Ok(true),
            _ => Err(Reason::NotJson),
        }
    }

    fn enter(&mut self, part: &str) {
        self.pointer.push('/');
        self.pointer += &part.replace('~', "~0").replace('/', "~1");
    }

    /// The name of a member, of which what is read next is the value.
    fn key(&mut self) -> Result<String, Reason> {
        let (key, repair) = match self.peek().ok_or(Reason::Unfinished)? {
            quote @ ('"' | '\'') => {
                let (key, newline) = self.quoted(quote)?;
                if newline {
                    return Err(Reason::NotJson);
                }
                (key, (quote == '\'').then_some(RepairName::SingleQuotes))
            }
            c if c.is_ascii_alphabetic() || c == '_' || c == '$' => {
                let key = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$');
                (key.to_owned(), Some(RepairName::BareKey))
            }
            _ => return Err(Reason::NotJson),
        };
        self.enter(&key);
        if let Some(name) = repair {
            self.repaired(name, None)?;
        }
        Ok(key)
    }

    fn text(&mut self, quote: char) -> Result<Value, Reason> {
        let (text, newline) = self.quoted(quote)?;
        let value = Value::String(text);
        if quote == '\'' {
            self.repaired(RepairName::SingleQuotes, Some(&value))?;
        }
        if newline {
            self.repaired(RepairName::RawNewline, Some(&value))?;
        }
        Ok(value)
    }

    /// What is between quotes, and whether there is a line break in it.
    fn quoted(&mut self, quote: char) -> Result<(String, bool), Reason> {
        let (mut text, mut newline) = (String::new(), false);
        self.at += 1;
        loop {
            match self.next()? {
                end if end == quote => return Ok((text, newline)),
                '\\' => text.push(self.escaped(quote)?),
                c @ ('\n' | '\r') => {
                    newline = true;
                    text.push(c);
                }
                c if c < ' ' => return Err(Reason::NotJson),
                c => text.push(c),
            }
        }
    }

    fn escaped(&mut self, quote: char) -> Result<char, Reason> {
        Ok(match self.next()? {
            c @ ('"' | '\\' | '/') => c,
            '\'' if quote == '\'' => '\'',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => self.unicode()?,
            _ => return Err(Reason::NotJson),
        })
    }

    /// A character by its number, or by the two halves of it in UTF-16 (RFC 8259, section 7).
    fn unicode(&mut self) -> Result<char, Reason> {
        let high = self.hex()?;
        let number = match high {
            0 => return Err(Reason::Nul),
            0xd800..=0xdbff => {
                if (self.next()?, self.next()?) != ('\\', 'u') {
                    return Err(Reason::NotJson);
                }
                let low @ 0xdc00..=0xdfff = self.hex()? else { return Err(Reason::NotJson) };
                0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)
            }
            other => other,
        };
        char::from_u32(number).ok_or(Reason::NotJson)
    }

    fn hex(&mut self) -> Result<u32, Reason> {
        let mut number = 0;
        for _ in 0..4 {
            number = number * 16 + self.next()?.to_digit(16).ok_or(Reason::NotJson)?;
        }
        Ok(number)
    }

    /// A number that can be kept as it is: an integer of 64 bits, or what is nearest to a fraction.
    fn number(&mut self) -> Result<Value, Reason> {
        let text = self.take_while(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E'));
        if !is_number(text) {
            return Err(if self.peek().is_none() { Reason::Unfinished } else { Reason::NotJson });
        }
        let number = if text.contains(['.', 'e', 'E']) {
            text.parse().ok().and_then(Number::from_f64)
        } else {
            text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from)).ok()
        };
        number.map(Value::Number).ok_or(Reason::NumberRange)
    }

    fn word(&mut self) -> Result<Value, Reason> {
        let word = self.take_while(|c| c.is_ascii_alphabetic());
        let (value, is_json) = match word {
            "true" => (Value::Bool(true), true),
            "false" => (Value::Bool(false), true),
            "null" => (Value::Null, true),
            "True" => (Value::Bool(true), false),
            "False" => (Value::Bool(false), false),
            "None" => (Value::Null, false),
            _ => return Err(Reason::NotJson),
        };
        if !is_json {
            self.repaired(RepairName::PythonLiteral, Some(&value))?;
        }
        Ok(value)
    }
}

/// RFC 8259, section 6.
pub(super) fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}
