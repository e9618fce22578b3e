#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "test/fuzz/fuzz.hpp"

/// Gives each file below the directories named on the command line to the target. Fails when there
/// is none: a corpus that got lost is no success.
int main(int count, char** arguments) {
    int inputs = 0;
    for (int index = 1; index < count; ++index) {
        for (const auto& file : std::filesystem::recursive_directory_iterator(arguments[index])) {
            if (!file.is_regular_file()) continue;
            std::printf("%s\n", file.path().c_str());
            std::fflush(stdout);
            std::ifstream stream(file.path(), std::ios::binary);
            const std::string bytes(std::istreambuf_iterator<char>(stream), {});
            LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                   bytes.size());
            ++inputs;
        }
    }
    return inputs > 0 ? 0 : 1;
}
