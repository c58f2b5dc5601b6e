namespace OrderPlatform.ServiceDefaults;

