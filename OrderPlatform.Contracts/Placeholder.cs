namespace OrderPlatform.Contracts;

