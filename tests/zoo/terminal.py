"""A terminal of a test's own."""

import io


class Terminal(io.StringIO):
    """Keeps what is written, and shows it as a terminal would."""

    def isatty(self):
        return True

    def screen(self):
        """The lines a person sees, for carriage return, newline and erase-to-end-of-line."""
        lines, row, column = [""], 0, 0
        text = self.getvalue().replace("\x1b[K", "\x00")
        assert "\x1b[" not in text.replace("\x1b[A", "")
        text = text.replace("\x1b[A", "\x01")
        for letter in text:
            if letter == "\r":
                column = 0
            elif letter == "\n":
                row, column = row + 1, 0
                lines += [""] * (row + 1 - len(lines))
            elif letter == "\x00":
                lines[row] = lines[row][:column]
            elif letter == "\x01":
                row -= 1
            else:
                lines[row] = lines[row][:column].ljust(column) + letter + lines[row][column + 1 :]
                column += 1
        return [line.rstrip() for line in lines if line.strip()]
