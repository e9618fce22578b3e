#pragma once

#include <termios.h>

#include <cstdint>

namespace banger::cli {

struct TerminalSize {
    std::uint16_t columns = 80;
    std::uint16_t lines = 24;
};

bool is_terminal(int fd);
/// 80x24 when `fd` is no terminal or does not know.
TerminalSize terminal_size(int fd);
/// A terminal that takes cursor movements: not TERM=dumb.
bool is_live_terminal(int fd);

/// Keys go to the guest as they are typed while this lives; the terminal is as before afterwards.
/// Does nothing when `fd` is no terminal.
class RawTerminal {
  public:
    explicit RawTerminal(int fd);
    ~RawTerminal();
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;

  private:
    int fd_;
    bool changed_ = false;
    termios before_{};
};

/// What is typed is not shown while this lives. Does nothing when `fd` is no terminal.
class HiddenInput {
  public:
    explicit HiddenInput(int fd);
    ~HiddenInput();
    HiddenInput(const HiddenInput&) = delete;
    HiddenInput& operator=(const HiddenInput&) = delete;

  private:
    int fd_;
    bool changed_ = false;
    termios before_{};
};

}  // namespace banger::cli
