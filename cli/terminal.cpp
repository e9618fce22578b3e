#include "cli/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace banger::cli {

bool is_terminal(int fd) {
    return ::isatty(fd) == 1;
}

TerminalSize terminal_size(int fd) {
    winsize size{};
    if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
    return {size.ws_col, size.ws_row};
}

bool is_live_terminal(int fd) {
    const char* term = std::getenv("TERM");
    return is_terminal(fd) && term && std::string_view(term) != "dumb";
}

RawTerminal::RawTerminal(int fd) : fd_(fd) {
    if (::tcgetattr(fd_, &before_) != 0) return;
    auto raw = before_;
    ::cfmakeraw(&raw);
    changed_ = ::tcsetattr(fd_, TCSADRAIN, &raw) == 0;
}

RawTerminal::~RawTerminal() {
    if (changed_) ::tcsetattr(fd_, TCSADRAIN, &before_);
}

HiddenInput::HiddenInput(int fd) : fd_(fd) {
    if (::tcgetattr(fd_, &before_) != 0) return;
    auto hidden = before_;
    hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    changed_ = ::tcsetattr(fd_, TCSAFLUSH, &hidden) == 0;
}

HiddenInput::~HiddenInput() {
    if (changed_) ::tcsetattr(fd_, TCSAFLUSH, &before_);
}

}  // namespace banger::cli
