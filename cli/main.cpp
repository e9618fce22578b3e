#include "cli/app.hpp"

int main(int argc, char** argv) {
    return banger::cli::run(argc, argv);
}
