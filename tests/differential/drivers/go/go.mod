module sallyport.dev/differential

go 1.21
