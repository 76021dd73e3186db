apt-get install vim
