import sys

# Where nothing compiled may be kept, each worker of each run compiles all tests, which takes it twenty seconds. This is
# run before hypothesis is imported, which pytest compiles in its own way, too.
sys.dont_write_bytecode = False
