from syncroom.cli import main

main()
