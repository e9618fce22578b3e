#include <unistd.h>

#include <cstdio>

#include "guest/vsock-agent/early_init.hpp"
#include "guest/vsock-agent/protocol.hpp"
#include "guest/vsock-agent/title.hpp"

int main(int, char** argv) {
    if (::getpid() == 1) {
        banger::guest::keep_arguments(argv);
        banger::guest::run_early_init();
    }
    std::printf("banger-vsock-agent speaks protocol %d and runs as /init of a guest's initramfs\n",
                banger::guest::kProtocolVersion);
    return 2;
}
