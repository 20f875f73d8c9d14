"""Reads psql scripts: statements with the data that follows them, and the psql commands that matter."""

import re

NAME = re.compile(r"[A-Za-z_\x80-\U0010ffff][\w$\x80-\U0010ffff]*")
DOLLAR = re.compile(r"\$([A-Za-z_\x80-\U0010ffff][\w\x80-\U0010ffff]*)?\$")
# a routine's body of standard SQL has semicolons of its own
ROUTINE = re.compile(r"\s*create\s+(or\s+replace\s+)?(function|procedure)\b", re.I)
COPY_IN = re.compile(r"\bfrom\s+std(in|out)\b", re.I)


class Statement:
    """A statement as the server gets it."""

    def __init__(self, line, text, copy=None, ending=""):
        self.line, self.text, self.copy, self.ending = line, text, copy, ending


class Script:
    """One script, read as far as its statements ask for: variables may come from their results."""

    def __init__(self, text, variables):
        self.text, self.at, self.variables = text, 0, variables

    def line(self, at):
        return self.text.count("\n", 0, at) + 1

    def __iter__(self):
        while (found := self.statement()) is not None:
            yield found

    def statement(self):
        """The next one; None at the end."""
        out, begun, depth, body = [], None, 0, 0
        while self.at < len(self.text):
            rest = self.text[self.at]
            length = self.quoted()
            piece = self.text[self.at : self.at + length]
            if piece.startswith("--") or (begun is None and (rest.isspace() or piece.startswith("/*"))):
                self.at += length
                if out:
                    out.append("\n" if piece.endswith("\n") else "")
                continue
            if rest == "\\":
                ended = self.command(out)
                if ended is not None and begun is not None:
                    return self.finish(begun, out, ended)
                if ended == "quit":
                    return None
                continue
            begun = self.at if begun is None else begun
            if rest == ":" and self.substitute(out):
                continue
            if rest == ";" and depth == 0 and body == 0:
                self.at += 1
                return self.finish(begun, out, "")
            depth += (rest == "(") - (rest == ")")
            word = NAME.match(self.text, self.at) if length == 1 else None
            if word:
                piece = word.group()
                low = piece.lower()
                if low in ("begin", "case", "end") and ROUTINE.match("".join(out)):
                    body += low == "begin" or (body > 0 and low == "case")
                    body -= low == "end" and body > 0
            out.append(piece)
            self.at += len(piece)
        return self.finish(begun, out, "") if begun is not None and "".join(out).strip() else None

    def quoted(self):
        """Length of the constant, quoted name or comment that begins here; 1 where none does."""
        t, at = self.text, self.at
        if t.startswith("--", at):
            end = t.find("\n", at)
            return (end + 1 if end >= 0 else len(t)) - at
        if t.startswith("/*", at):
            depth, end = 1, at + 2
            while depth and end < len(t):
                mark = t[end : end + 2]
                step = {"/*": 1, "*/": -1}.get(mark, 0)
                depth, end = depth + step, end + (2 if step else 1)
            return end - at
        if t[at] == "$" and not (at and (t[at - 1].isalnum() or t[at - 1] in "_$")):
            tag = DOLLAR.match(t, at)
            end = t.find(tag.group(), tag.end()) if tag else -1
            return end + len(tag.group()) - at if end >= 0 else 1
        if t[at] in "'\"":
            escapes = t[at] == "'" and at and t[at - 1] in "eE" and not (at > 1 and (t[at - 2].isalnum() or t[at - 2] == "_"))
            end = at + 1
            while end < len(t) and t[end] != t[at]:
                end += 2 if escapes and t[end] == "\\" else 1
            return end + 1 - at
        return 1

    def substitute(self, out):
        """Puts a psql variable's value in its place."""
        found = re.compile(r":(['\"]?)(\w+)\1").match(self.text, self.at)
        if self.text.startswith("::", self.at) or (self.at and self.text[self.at - 1] == ":"):
            return False
        if not found or found.group(2) not in self.variables:
            return False
        quote, value = found.group(1), self.variables[found.group(2)]
        out.append(quote + value.replace(quote, quote * 2) + quote if quote else value)
        self.at = found.end()
        return True

    def command(self, out):
        """A psql command; what ends the statement before it, if it does."""
        end = self.text.find("\n", self.at)
        end = end if end >= 0 else len(self.text)
        if self.text.startswith("\\;", self.at):
            self.at += 2
            return ";"
        line = self.text[self.at : end]
        self.at = end
        words = line.split()
        name = words[0]
        if name in ("\\g", "\\gx", "\\gset", "\\gexec", "\\gdesc", "\\crosstabview"):
            return line
        if name == "\\set" and len(words) > 2:
            self.variables[words[1]] = "".join(self.value(w) for w in words[2:])
        elif name == "\\getenv" and words[2:]:
            self.variables[words[1]] = self.variables.get("env:" + words[2], "")
        elif name in ("\\if", "\\elif"):
            # the servers have what scripts ask for
            closing = re.compile(r"^\s*\\(else|endif)\b.*$", re.M).search(self.text, self.at)
            self.at = closing.end() if closing else len(self.text)
        elif name == "\\copy":
            self.copy_command(line)
        elif name in ("\\c", "\\connect"):
            role = words[2] if len(words) > 2 else None
            text = f"SET SESSION AUTHORIZATION {role};" if role else "RESET SESSION AUTHORIZATION;"
            self.text = self.text[: self.at] + "\n" + text + self.text[self.at :]
        elif name in ("\\q", "\\quit"):
            self.at = len(self.text)
            return "quit"
        elif name == "\\r":
            out.clear()
        return None

    def copy_command(self, line):
        self.text = self.text[: self.at] + "\nCOPY" + line[len("\\copy") :] + ";" + self.text[self.at :]

    def value(self, word):
        word = word.strip("'")
        return self.variables.get(word[1:], word) if word.startswith(":") else word

    def finish(self, begun, out, ending):
        text = "".join(out).strip()
        statement = Statement(self.line(begun), text, None, ending)
        if re.match(r"copy\b", text, re.I) and COPY_IN.search(text):
            start = self.text.find("\n", self.at) + 1
            end = re.compile(r"^\\\.$", re.M).search(self.text, start)
            if start and end:
                statement.copy = self.text[start : end.start()].encode()
                self.at = end.end()
        return statement
