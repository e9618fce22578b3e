#pragma once

namespace banger::guest {

/// Remembers where the kernel keeps this process's arguments; once, at the start of main.
void keep_arguments(char** argv);

/// Gives this process a name that begins with '@', by which systemd's last killing spree knows
/// processes it must spare (systemd: "Storage Daemons for the Root File System").
void set_title(const char* title);

}  // namespace banger::guest
