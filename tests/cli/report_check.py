"""Reads report.html as a parser does: every element closed in order, ids unique, every reference on the page has its target, headings in
order, every picture named, nothing from outside. Prints what is wrong, one fault a line."""
import re
import sys
from html.parser import HTMLParser

VOID = {"meta", "link", "input", "br", "img", "hr", "rect", "circle", "line", "path", "use", "polygon", "image", "fecomposite", "feflood", "stop", "ellipse"}


class Page(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.faults, self.ids, self.references, self.headings = [], [], [], [], []

    def take(self, tag, attributes):
        names = [name for name, _ in attributes]
        if len(set(names)) != len(names):
            self.faults.append(f"<{tag}> repeats an attribute")
        for name, value in attributes:
            value = value or ""
            if name == "id":
                self.ids.append(value)
            if name.startswith("on"):
                self.faults.append(f"<{tag}> has the handler {name}")
            if name in ("href", "xlink:href", "src") and not value.startswith(("#", "plots/", "data:")):
                self.faults.append(f"<{tag}> leads to {value}")
            if name in ("href", "xlink:href") and value.startswith("#"):
                self.references.append(value[1:])
            if name in ("aria-labelledby", "aria-describedby"):
                self.references += value.split()
        if tag in ("h1", "h2", "h3"):
            self.headings.append(int(tag[1]))
        if tag == "svg" and not {"aria-label", "aria-labelledby", "aria-hidden"} & set(names):
            self.faults.append("a picture has no name")

    def handle_starttag(self, tag, attributes):
        self.take(tag, attributes)
        # SVG's own elements may close themselves, HTML's void ones never close.
        if tag not in VOID or "svg" in self.open:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.take(tag, attributes)

    def handle_endtag(self, tag):
        if not self.open or self.open[-1] != tag:
            self.faults.append(f"</{tag}> at line {self.getpos()[0]} closes <{self.open[-1] if self.open else ''}>")
        else:
            self.open.pop()


def main():
    text = open(sys.argv[1], encoding="utf-8").read()  # malformed UTF-8 raises here
    page = Page()
    page.feed(text)
    page.close()
    faults = page.faults + [f"<{tag}> is never closed" for tag in page.open]
    faults += [f"the id {name} is used twice" for name in sorted({name for name in page.ids if page.ids.count(name) > 1})]
    faults += [f"nothing has the id {name}" for name in sorted(set(page.references) - set(page.ids))]
    if page.headings[:1] != [1] or page.headings.count(1) != 1:
        faults.append("the page has not exactly one first heading")
    faults += ["a heading skips a level" for a, b in zip(page.headings, page.headings[1:]) if b > a + 1]
    faults += [f"a control character {ord(c):#x}" for c in set(re.findall(r"[\x00-\x08\x0b-\x1f\x7f]", text))]
    print("\n".join(faults[:20]))
    sys.exit(1 if faults else 0)


main()
