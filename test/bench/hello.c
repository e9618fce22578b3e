/* The least an init can be: says hello on the console, for the bare boot that `make bench` compares
 * with. */
#include <unistd.h>

int main(void) {
    static const char hello[] = "hello from a bare kernel\n";
    (void)!write(STDOUT_FILENO, hello, sizeof hello - 1);
    for (;;)
        pause();
}
