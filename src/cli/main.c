/* main.c - the cmat program. */
int main(void)
{
    return 0;
}
